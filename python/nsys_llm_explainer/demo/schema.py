"""Table layouts of Nsight Systems SQLite exports, per export schema version, as data.

A layout is one line of column specifications per table. A column is ``name:TYPE`` where TYPE is ``I`` (INTEGER),
``T`` (TEXT) or ``R`` (REAL), followed by ``!`` (NOT NULL), ``*`` (PRIMARY KEY) and, where it came or went, ``@since``
or ``@since-until`` (until exclusive). A version is expressed by the column groups that it has; there is one
specification per table and no copy per version.

The exporter creates no index, and a table only where it has rows, so callers create the tables that they fill.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Export schema version -> Nsight Systems version that writes it; ``none`` is one of 2020/21, without a version table.
PRODUCT_VERSIONS: dict[str, str] = {
    "none": "",
    "2.7.0": "2021.5.2.53",
    "2.9.1": "2022.1.3.3",
    "3.0.0": "2022.4.2.1",
    "3.1.2": "2023.1.2.43",
    "3.1.7": "2023.2.3.0",
    "3.4.0": "2023.3.3.42",
    "3.7.4": "2024.1.1.59",
    "3.11.1": "2024.2.3.38",
    "3.13.2": "2024.5.1.113",
    "3.16.1": "2024.6.2.225",
    "3.16.3": "2024.7.1.84",
    "3.17.1": "2025.1.1.110",
    "3.17.2": "2025.1.3.140",
    "3.20.3": "2025.3.2.474",
    "3.23.3": "2025.5.1.121",
    "3.24.0": "2025.5.2.266",
    "3.24.7": "2025.6.1.190",
    "3.24.8": "2025.6.3.343",
    "3.24.14": "2026.1.1.204",
    "3.25.0": "2026.2.1.210",
    "3.27.0": "2026.3.1.157",
    "3.28.1": "2026.4.1.191",
}

#: Every version with a known layout, oldest first.
VERSIONS: tuple[str, ...] = tuple(PRODUCT_VERSIONS)

KERNEL = "CUPTI_ACTIVITY_KIND_KERNEL"
RUNTIME = "CUPTI_ACTIVITY_KIND_RUNTIME"
MEMCPY = "CUPTI_ACTIVITY_KIND_MEMCPY"
MEMSET = "CUPTI_ACTIVITY_KIND_MEMSET"
SYNCHRONIZATION = "CUPTI_ACTIVITY_KIND_SYNCHRONIZATION"
GRAPH_TRACE = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
OVERHEAD = "CUPTI_ACTIVITY_KIND_OVERHEAD"

_OP = "start:I! end:I! deviceId:I! contextId:I! "
_TYPES = {"I": "INTEGER", "T": "TEXT", "R": "REAL"}

# (versions that have the table, columns)
_TABLES: dict[str, tuple[str, str]] = {
    "StringIds": ("", "id:I!* value:T!"),
    "ANALYSIS_FILE": (
        "@3.11.1",
        """
        id:I!* filename:T!@3.11.1-3.16.1 filename:T@3.16.1 content:T!@3.11.1-3.16.1 contentId:I@3.16.1
        globalPid:I!""",
    ),
    "ProcessStreams": ("", "globalPid:I! filenameId:I! contentId:I!"),
    "NVTX_PAYLOAD_SCHEMAS": (
        "@3.16.1",
        """
        domainId:I schemaId:I name:T type:I flags:I numEntries:I payloadSize:I alignTo:I""",
    ),
    "NVTX_PAYLOAD_SCHEMA_ENTRIES": (
        "@3.16.1",
        """
        domainId:I! schemaId:I! idx:I! flags:I type:I name:T description:T arrayOrUnionDetail:I offset:I""",
    ),
    "TARGET_INFO_SYSTEM_ENV": ("", "globalVid:I devStateName:T! name:T! nameEnum:I! value:T!"),
    "TARGET_INFO_SESSION_START_TIME": ("", "utcEpochNs:I utcTime:T localTime:T systemClockNs:I@3.24.7"),
    "ANALYSIS_DETAILS": ("@2.7.0", "globalVid:I! duration:I! startTime:I! stopTime:I!"),
    "DIAGNOSTIC_EVENT": ("@3.11.1", "timestamp:I! timestampType:I! source:I! severity:I! text:T! globalPid:I"),
    "CUPTI_ACTIVITY_KIND_CUDA_EVENT": (
        "@2.9.1",
        """
        timestamp:I@3.24.0 deviceId:I! contextId:I! greenContextId:I@3.11.1 streamId:I! correlationId:I
        globalPid:I eventId:I! eventSyncId:I@3.17.2""",
    ),
    SYNCHRONIZATION: (
        "",
        _OP
        + """
        greenContextId:I@3.7.4 streamId:I! correlationId:I globalPid:I deprecatedSyncType:I@3.17.1 syncType:I!
        eventId:I! eventSyncId:I@3.17.1""",
    ),
    "PROFILER_OVERHEAD": (
        "",
        """
        start:I! end:I! globalTid:I correlationId:I@none-2.7.0 nameId:I! returnValue:I!@none-3.24.0
        overheadType:I!@3.24.0""",
    ),
    OVERHEAD: (
        "@3.24.0",
        """
        start:I! end:I! eventClass:I! globalTid:I correlationId:I nameId:I overheadType:I!""",
    ),
    MEMSET: (
        "",
        _OP
        + """
        greenContextId:I@3.11.1 streamId:I! correlationId:I globalPid:I value:I! bytes:I! graphNodeId:I
        memKind:I""",
    ),
    MEMCPY: (
        "",
        _OP
        + """
        greenContextId:I@3.11.1 streamId:I! correlationId:I globalPid:I bytes:I! copyKind:I! deprecatedSrcId:I
        srcKind:I dstKind:I srcDeviceId:I srcContextId:I dstDeviceId:I dstContextId:I migrationCause:I
        graphNodeId:I virtualAddress:I@2.7.0 copyCount:I@3.17.2""",
    ),
    KERNEL: (
        "",
        _OP
        + """
        greenContextId:I@3.11.1 streamId:I! correlationId:I globalPid:I demangledName:I! shortName:I!
        mangledName:I@2.7.0 launchType:I cacheConfig:I registersPerThread:I! gridX:I! gridY:I! gridZ:I!
        blockX:I! blockY:I! blockZ:I! staticSharedMemory:I! dynamicSharedMemory:I! localMemoryPerThread:I!
        localMemoryTotal:I! gridId:I! sharedMemoryExecuted:I graphNodeId:I sharedMemoryLimitConfig:I
        qmdBulkReleaseDone:I@3.24.0 qmdPreexitDone:I@3.24.0 qmdLastCtaDone:I@3.24.0 graphId:I@3.24.0
        clusterX:I@3.24.0 clusterY:I@3.24.0 clusterZ:I@3.24.0 clusterSchedulingPolicy:I@3.24.0
        maxPotentialClusterSize:I@3.24.0 maxActiveClusters:I@3.24.0 sharedMemoryRequestedPercentage:I@3.24.8
        tensorSizeMinusOneElements:T!@3.25.0""",
    ),
    GRAPH_TRACE: (
        "@3.0.0",
        _OP
        + """
        greenContextId:I@3.11.1 streamId:I! correlationId:I globalPid:I graphId:I! graphExecId:I!""",
    ),
    "CUDA_GRAPH_EVENTS": (
        "@3.4.0",
        """
        start:I! end:I! eventClass:I! globalTid:I nameId:I! graphId:I originalGraphId:I graphExecId:I""",
    ),
    "CUDA_GRAPH_NODE_EVENTS": (
        "@3.0.0",
        """
        start:I! end:I! eventClass:I! globalTid:I nameId:I! graphNodeId:I! originalGraphNodeId:I""",
    ),
    "CUDA_GPU_MEMORY_USAGE_EVENTS": (
        "@2.7.0",
        """
        start:I! globalPid:I deviceId:I! contextId:I! address:I! pc:I bytes:I! memKind:I! memoryOperationType:I!
        name:T correlationId:I streamId:I localMemoryPoolAddress:I localMemoryPoolReleaseThreshold:I
        localMemoryPoolSize:I localMemoryPoolUtilizedSize:I importedMemoryPoolAddress:I
        importedMemoryPoolProcessId:I""",
    ),
    "PROCESSES": ("@2.7.0", "globalPid:I pid:I name:T"),
    RUNTIME: ("", "start:I! end:I! eventClass:I! globalTid:I correlationId:I nameId:I! returnValue:I! callchainId:I"),
    "NVTX_EVENTS": (
        "",
        """
        eventId:I!*@3.28.1 start:I! end:I eventType:I! rangeId:I category:I color:I text:T globalTid:I
        endGlobalTid:I textId:I domainId:I uint64Value:I int64Value:I doubleValue:R uint32Value:I int32Value:I
        floatValue:R jsonTextId:I jsonText:T binaryData:T@3.16.1""",
    ),
    "OSRT_API": (
        "",
        """
        start:I! end:I! eventClass:I! globalTid:I correlationId:I@none-2.7.0 nameId:I! returnValue:I!
        nestingLevel:I callchainId:I! argumentsId:I!@3.23.3""",
    ),
    "SCHED_EVENTS": ("", "start:I! cpu:I! isSchedIn:I! globalTid:I threadState:I@3.13.2 threadBlock:I@3.13.2"),
    "COMPOSITE_EVENTS": ("", "id:I!* start:I! cpu:I threadState:I globalTid:I cpuCycles:I!"),
    "GPU_METRICS": ("@2.9.1", "rawTimestamp:I! timestamp:I! typeId:I! metricId:I! value:I!"),
    "TARGET_INFO_GPU_METRICS": ("@2.9.1", "typeId:I! sourceId:I! typeName:T metricId:I! metricName:T"),
    "ThreadNames": ("", "nameId:I! priority:I globalTid:I"),
    "TARGET_INFO_GPU": (
        "",
        """
        vmId:I! id:I! name:T busLocation:T isDiscrete:I l2CacheSize:I totalMemory:I memoryBandwidth:I
        clockRate:I smCount:I pwGpuId:I uuid:T luid:I chipName:T cuDevice:I ctxswDevPath:T ctrlDevPath:T
        revision:I nodeMask:I constantMemory:I maxIPC:I maxRegistersPerBlock:I maxShmemPerBlock:I
        maxShmemPerBlockOptin:I maxShmemPerSm:I maxRegistersPerSm:I threadsPerWarp:I asyncEngines:I
        maxWarpsPerSm:I maxBlocksPerSm:I maxThreadsPerBlock:I maxBlockDimX:I maxBlockDimY:I maxBlockDimZ:I
        maxGridDimX:I maxGridDimY:I maxGridDimZ:I computeMajor:I computeMinor:I smMajor:I smMinor:I
        numaNodeId:I@3.28.1""",
    ),
    "TARGET_INFO_CUDA_DEVICE": ("@3.17.1", "gpuId:I cudaId:I! pid:I! uuid:T@3.24.8 numMultiprocessors:I@3.24.8"),
    "TARGET_INFO_CUDA_NULL_STREAM": (
        "@none-3.7.2",
        """
        streamId:I! hwId:I! vmId:I! processId:I! deviceId:I! contextId:I!""",
    ),
    "TARGET_INFO_CUDA_CONTEXT_INFO": (
        "@3.7.2",
        """
        nullStreamId:I! hwId:I! vmId:I! processId:I! deviceId:I! contextId:I! parentContextId:I isGreenContext:I
        numMultiprocessors:I@3.24.14 numTpcs:I@3.25.0 tpcMask:T@3.25.0 workqueueResourceId:I@3.25.0
        workqueueConcurrencyLimit:I@3.25.0 workqueueSharingScope:I@3.25.0""",
    ),
    "TARGET_INFO_CUDA_STREAM": ("", "streamId:I! hwId:I! vmId:I! processId:I! contextId:I! priority:I! flag:I!"),
    "EXPORT_META_DATA": ("@2.7.0-3.4.0", "name:T! value:T"),
    "META_DATA_CAPTURE": ("@3.4.0", "name:T! value:T"),
    "META_DATA_EXPORT": ("@3.4.0", "name:T! value:T"),
}

#: ENUM_* table -> versions that have it. All have the same three columns.
_ENUM_TABLES: dict[str, str] = {
    "ENUM_NSYS_EVENT_TYPE": "@3.0.0",
    "ENUM_NSYS_EVENT_CLASS": "@3.0.0",
    "ENUM_CUDA_MEMCPY_OPER": "@3.0.0",
    "ENUM_CUDA_MEM_KIND": "@3.0.0",
    "ENUM_CUDA_KRENEL_LAUNCH_TYPE": "@3.0.0-3.1.7",  # the exporter's own spelling
    "ENUM_CUDA_KERNEL_LAUNCH_TYPE": "@3.1.7",
    "ENUM_CUPTI_STREAM_TYPE": "@3.0.0",
    "ENUM_CUPTI_SYNC_TYPE": "@3.0.0",
    "ENUM_CUPTI_OVERHEAD_TYPE": "@3.24.0",
    "ENUM_DIAGNOSTIC_SEVERITY_LEVEL": "@3.11.1",
    "ENUM_DIAGNOSTIC_SOURCE_TYPE": "@3.11.1",
    "ENUM_DIAGNOSTIC_TIMESTAMP_SOURCE": "@3.11.1",
}
_ENUM_COLUMNS = "id:I!* name:T label:T"

# The exporter comments its columns since 2021.5; a reader of DDL has to skip them.
_COMMENTS: dict[str, str] = {
    "start": "Event start timestamp (ns).",
    "end": "Event end timestamp (ns).",
    "globalPid": "Serialized GlobalId.",
    "globalTid": "Serialized GlobalId.",
    "correlationId": "REFERENCES CUPTI_ACTIVITY_KIND_RUNTIME(correlationId)",
    "demangledName": "REFERENCES StringIds(id) -- Kernel function name w/ templates",
    "shortName": "REFERENCES StringIds(id) -- Base kernel function name",
    "nameId": "REFERENCES StringIds(id) -- Function name",
    "textId": "REFERENCES StringIds(id) -- NVTX message",
    "graphNodeId": "REFERENCES CUDA_GRAPH_NODE_EVENTS(graphNodeId)",
    "text": "Optional name/text (registered strings are in textId).",
}

_COLUMN = re.compile(r"(?P<name>\w+):(?P<type>[ITR])(?P<nn>!?)(?P<pk>\*?)(?P<when>@\S+)?\Z")


@dataclass(frozen=True)
class Column:
    """One column of a table: its name, declared type and constraints."""

    name: str
    type: str
    not_null: bool = False
    primary_key: bool = False


def version_key(version: str) -> tuple[int, ...]:
    """Return a sortable key of an export schema version; ``none`` sorts before every number."""
    return (0,) if version == "none" else tuple(int(part) for part in version.split("."))


def _holds(when: str, version: str) -> bool:
    """Tell whether ``version`` lies in ``@since-until`` (until exclusive); an empty range holds always."""
    if not when:
        return True
    since, _, until = when[1:].partition("-")
    key = version_key(version)
    return version_key(since) <= key and (not until or key < version_key(until))


def tables(version: str) -> tuple[str, ...]:
    """Return the names of all tables that an export of ``version`` may hold, ENUM tables included."""
    plain = [name for name, (when, _) in _TABLES.items() if _holds(when, version)]
    return (*plain, *(name for name, when in _ENUM_TABLES.items() if _holds(when, version)))


def columns(table: str, version: str) -> tuple[Column, ...]:
    """Return the columns of ``table`` in an export of ``version``.

    Args:
        table: A table name, exactly as exported.
        version: An export schema version, e.g. ``3.25.0``, or ``none``. Versions between known ones take the column
            groups
            that came at or before them.

    Raises:
        KeyError: The version has no such table.
    """
    when, specification = (
        (_ENUM_TABLES[table], _ENUM_COLUMNS) if table in _ENUM_TABLES else _TABLES.get(table, ("", ""))
    )
    if not specification or not _holds(when, version):
        raise KeyError(f"no table {table} in export schema {version}")
    found = []
    for word in specification.split():
        match = _COLUMN.match(word)
        if match is None:
            raise ValueError(f"bad column specification {word!r} of {table}")
        if _holds(match["when"] or "", version):
            found.append(Column(match["name"], _TYPES[match["type"]], bool(match["nn"]), bool(match["pk"])))
    return tuple(found)


def quote(identifier: str) -> str:
    """Return ``identifier`` as a quoted SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def create_table(table: str, layout: tuple[Column, ...], *, commented: bool = True) -> str:
    """Return the CREATE TABLE statement of a layout in the exporter's own style: padded, commented lines."""
    lines = []
    for position, column in enumerate(layout):
        name = column.name if re.fullmatch(r"[A-Za-z_]\w*", column.name) else quote(column.name)
        body = f"    {name:<27} {column.type:<9}"
        body += " NOT NULL  " if column.not_null else ""
        body += " PRIMARY KEY" if column.primary_key else ""
        body = body.rstrip() + ("," if position + 1 < len(layout) else "")
        comment = _COMMENTS.get(column.name) if commented else None
        lines.append(f"{body:<70} -- {comment}" if comment else body)
    return f"CREATE TABLE {quote(table) if not table.isidentifier() else table} (\n" + "\n".join(lines) + "\n)"


def ddl(table: str, version: str) -> str:
    """Return the CREATE TABLE statement of ``table`` as an export of ``version`` has it."""
    return create_table(table, columns(table, version), commented=version != "none")


def metadata_table(version: str) -> str | None:
    """Return the name of the table that carries the export's version, or None where an export has none."""
    if version == "none":
        return None
    return "META_DATA_EXPORT" if _holds("@3.4.0", version) else "EXPORT_META_DATA"


def export_metadata(version: str) -> list[tuple[str, str]]:
    """Return the (name, value) rows that say which exporter and schema version wrote a file."""
    major, minor, micro = version.split(".")
    return [
        ("EXPORT_PRODUCT_NAME", "NVIDIA Nsight Systems"),
        ("EXPORT_PRODUCT_VERSION", PRODUCT_VERSIONS.get(version, "")),
        ("EXPORT_SCHEMA_VERSION", version),
        ("EXPORT_SCHEMA_VERSION_MAJOR", major),
        ("EXPORT_SCHEMA_VERSION_MINOR", minor),
        ("EXPORT_SCHEMA_VERSION_MICRO", micro),
        ("EXPORT_PARAM_EXPORT_TYPE", "SQLite"),
        ("EXPORT_PARAM_LAZY", "true"),
        ("EXPORT_PARAM_TIME_NORMALIZE", "false"),
        ("EXPORT_PARAM_TIME_SHIFT", "0"),
    ]

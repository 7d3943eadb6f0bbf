"""A trace as Perfetto shows it: processes, threads, GPU streams, flows, steps and idle gaps. An optional extra."""

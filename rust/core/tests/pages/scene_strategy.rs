//! Random scenes.

use proptest::prelude::*;
use proptest::sample::select;

use crate::scene::{AddedDefault, Edit, Key, MOST_COLUMNS, NewRow, Scene, Stored};

/// Types as columns are declared with them; the second kind is all that STRICT tables know.
const DECLARED: &[&str] = &[
    "INTEGER",
    "TEXT",
    "REAL",
    "BLOB",
    "",
    "BIGINT",
    "VARCHAR(20)",
    "NUMERIC",
    "DOUBLE PRECISION",
    "FLOATING POINT",
    "FLOAT",
    "real blob",
    "CHARINT",
    "integer not null",
    "ANY",
    "BOOLEAN",
    "DATETIME",
    "INT UNIQUE",
];
const STRICT: &[&str] = &["INTEGER", "INT", "TEXT", "REAL", "BLOB", "ANY"];

const KEY_COLUMNS: &[(&str, bool)] = &[
    ("INTEGER PRIMARY KEY", true),
    ("integer PRIMARY KEY ASC", true),
    ("INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", true),
    ("INTEGER UNIQUE PRIMARY KEY", true),
    ("INTEGER PRIMARY KEY DEFAULT 7", true),
    ("\"INTEGER\" PRIMARY KEY", true),
    ("INTEGER PRIMARY KEY DESC", false),
    ("INT PRIMARY KEY", false),
    ("BIGINT PRIMARY KEY", false),
    ("TEXT PRIMARY KEY", false),
    ("PRIMARY KEY", false),
    ("INTEGER UNIQUE", false),
];
const KEY_CONSTRAINTS: &[(&str, &str, bool)] = &[
    ("INTEGER", "PRIMARY KEY ({})", true),
    ("INTEGER", "PRIMARY KEY ({} DESC)", true),
    ("INTEGER", "UNIQUE ({}), PRIMARY KEY ({} ASC)", true),
    ("INTEGER", "CONSTRAINT k PRIMARY KEY ({} COLLATE NOCASE)", true),
    ("INT", "PRIMARY KEY ({})", false),
    ("INTEGER", "PRIMARY KEY ({}, start)", false),
    ("INTEGER", "UNIQUE ({} DESC)", false),
];

const ADDED: &[(&str, &[AddedDefault])] = &[
    (
        "INTEGER",
        &[("5", true), ("-5", true), ("+7", true), ("-9223372036854775808", true), ("9223372036854775807", true)],
    ),
    ("BIGINT", &[("NULL", true), ("(NULL)", true), ("0", true), ("1", true), ("- 5", false), ("0x10", false)]),
    (
        "INT",
        &[
            ("'5'", false),
            ("2.5", false),
            ("1e3", false),
            ("TRUE", false),
            ("9223372036854775808", false),
            ("(7)", true),
        ],
    ),
    (
        "TEXT",
        &[
            ("'it''s'", true),
            ("''", true),
            ("'a b'", true),
            ("'\u{e9}\u{1f600}'", true),
            ("5", false),
            ("\"q\"", false),
        ],
    ),
    ("VARCHAR(9)", &[("''''", true), ("null", true), ("x'414243'", false), ("'--'", true), ("-1.5", false)]),
    ("REAL", &[("1.5", false), ("3", false), ("NULL", true)]),
    ("BLOB", &[("x'00ff'", false), ("'text'", false), ("NULL", true)]),
    ("", &[("'text'", false), ("4", false), ("NULL", true)]),
    ("NUMERIC", &[("4", false), ("'4'", false)]),
];

fn stored(page_size: u32) -> impl Strategy<Value = Stored> {
    let edges = vec![
        0,
        1,
        -1,
        2,
        127,
        128,
        -128,
        -129,
        32_767,
        32_768,
        -32_768,
        -32_769,
        8_388_607,
        8_388_608,
        -8_388_609,
        2_147_483_647,
        2_147_483_648,
        -2_147_483_649,
        140_737_488_355_327,
        140_737_488_355_328,
        -140_737_488_355_329,
        i64::MAX,
        i64::MIN,
    ];
    let real = prop_oneof![
        select(vec![0.0, -0.0, 1.0, 2.0, -3.0, 1e15, 9e18, 1e300, 0.5, f64::INFINITY, f64::NEG_INFINITY]),
        any::<f64>()
    ];
    // Lengths around the places where records and pages end, and up to three pages.
    let most = page_size as usize * 3;
    let length = prop_oneof![
        6 => 0..20_usize,
        2 => 0..most,
        1 => (0..4_usize, -80..20_isize).prop_map(move |(pages, off)| {
            (pages * page_size as usize).saturating_add_signed(off).min(most)
        }),
    ];
    let piece = select(vec![
        b"a".to_vec(),
        "\u{e9}t\u{e9} \u{1f680}".into(),
        "a\0b".into(),
        b"\xff\xfe\xc0".to_vec(),
        b"A\x00".to_vec(),
        b"\x00A".to_vec(),
        b"\x3d\xd8\x80\xde".to_vec(),
        b"\xd8\x3d\xde\x80".to_vec(),
        b"\x00\xd8A\x00\xdc".to_vec(),
        b"12".to_vec(),
    ]);
    let bytes = (length, piece).prop_map(|(length, piece)| piece.into_iter().cycle().take(length).collect::<Vec<_>>());
    prop_oneof![
        1 => Just(Stored::Null),
        3 => prop_oneof![select(edges), any::<i64>(), -300..300_i64].prop_map(Stored::Int),
        1 => real.prop_map(Stored::Real),
        3 => bytes.clone().prop_map(Stored::Text),
        1 => bytes.prop_map(Stored::Blob),
    ]
}

fn rows(columns: usize, page_size: u32, most: usize) -> impl Strategy<Value = Vec<NewRow>> {
    let rowid = prop_oneof![
        3 => Just(None),
        3 => (-50..300_i64).prop_map(Some),
        1 => any::<i64>().prop_map(Some),
        1 => select(vec![i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX]).prop_map(Some),
    ];
    let row = (rowid, prop::collection::vec(stored(page_size), columns));
    prop::collection::vec(row.prop_map(|(rowid, values)| NewRow { rowid, values }), 0..most)
}

fn key(columns: usize) -> impl Strategy<Value = Key> {
    prop_oneof![
        3 => Just(Key::RowId),
        3 => (0..columns, select(KEY_COLUMNS))
            .prop_map(|(at, (declaration, is_rowid))| Key::Column { at, declaration, is_rowid }),
        // The first column is named in a constraint of two.
        2 => (usize::from(columns > 1)..columns, select(KEY_CONSTRAINTS)).prop_map(
            |(at, (declared, constraint, is_rowid))| Key::Constraint { at, declared, constraint, is_rowid }
        ),
        1 => (0..columns).prop_map(|at| Key::WithoutRowId { at }),
    ]
}

fn edit(columns: usize, page_size: u32) -> impl Strategy<Value = Edit> {
    let added = select(ADDED).prop_flat_map(|(declared, defaults)| {
        // An unusual default ends the test of everything else, so it is rare.
        let plain: Vec<_> =
            defaults.iter().copied().filter(|(_, is_plain)| *is_plain).map(Some).chain([None]).collect();
        let default = prop_oneof![12 => select(plain), 1 => select(defaults).prop_map(Some)];
        default.prop_map(move |default| Edit::AddColumn { declared, default })
    });
    prop_oneof![
        2 => rows(columns, page_size, 12).prop_map(Edit::Insert),
        2 => (0..900_u16).prop_map(Edit::Fill),
        1 => (2..7_i64, 0..3_i64).prop_map(|(modulus, rest)| Edit::Delete { modulus, rest }),
        1 => Just(Edit::DeleteAll),
        2 => (0..columns, stored(page_size), 1..5_i64)
            .prop_map(|(column, value, modulus)| Edit::Update { column, value, modulus }),
        4 => added,
        1 => Just(Edit::DropLastColumn),
        1 => (0..60_u16).prop_map(Edit::GrowOther),
        1 => Just(Edit::ShrinkOther),
        1 => Just(Edit::IncrementalVacuum),
        1 => Just(Edit::Vacuum),
    ]
}

/// Any database that one can think of.
pub(crate) fn scenes() -> impl Strategy<Value = Scene> {
    let page_size = prop_oneof![
        5 => Just(512_u32),
        3 => Just(1024),
        1 => select(vec![2048, 4096, 8192, 16_384, 32_768, 65_536]),
    ];
    let shape = (page_size, 1..=MOST_COLUMNS, any::<bool>(), 0..8_u8);
    shape.prop_flat_map(|(page_size, columns, strict, few)| {
        // STRICT tables know few types, so few keys make sense there.
        let is_strict = strict && few == 0;
        let types = if is_strict { STRICT } else { DECLARED };
        let key = if is_strict { Just(Key::RowId).boxed() } else { key(columns).boxed() };
        let most = if page_size == 512 { 32 } else { 255_u8 };
        (
            select(vec!["NVTX_EVENTS", "StringIds", "CUPTI_ACTIVITY_KIND_KERNEL", "TARGET_INFO_GPU", "PROCESSES"]),
            prop_oneof![3 => Just(0), 1 => 1..=most],
            prop_oneof![2 => Just(0), 1 => 1..3_u8],
            prop_oneof![3 => Just("UTF-8"), 1 => Just("UTF-16le"), 1 => Just("UTF-16be")],
            prop::collection::vec(select(types), columns),
            key,
            rows(columns, page_size, 40),
            prop::collection::vec(edit(columns, page_size), 0..7),
        )
            .prop_map(move |(table, reserved, auto_vacuum, encoding, columns, key, rows, mut edits)| {
                if is_strict {
                    edits.retain(|edit| !matches!(edit, Edit::AddColumn { .. }));
                }
                Scene { table, page_size, reserved, auto_vacuum, encoding, is_strict, columns, key, rows, edits }
            })
    })
}

//! What tells the tables of what comes from outside apart: their columns, and which of their rows are meant.

/// A column that rows give.
pub struct Column {
    pub name: &'static str,
    /// What is written of the row `r` that the arrays are unnested to; `None`: the column as it is.
    pub value: Option<&'static str>,
}

/// One list of the columns that rows give, `"name" => value` or `"name" as "expression" => value`: makes `COLUMNS`, and
/// `arguments`, which gives one array a column, in their order.
macro_rules! columns {
    ($row:ident: $type:ty; $($name:literal $(as $value:literal)? => $bind:expr,)+) => {
        pub const COLUMNS: &[$crate::store::kind::Column] = &[
            $($crate::store::kind::Column {
                name: $name,
                value: { let value: Option<&str> = None; $(let _ = value; let value = Some($value);)? value },
            }),+
        ];

        pub fn arguments<'a>(rows: &'a [$type]) -> Vec<pgrx::datum::DatumWithOid<'a>> {
            vec![$($crate::store::datum::column(rows, |$row| $bind)),+]
        }
    };
}

pub(super) use columns;

/// A table of what comes from outside.
pub struct Kind {
    pub table: &'static str,
    pub id: &'static str,
    /// Besides those of [`super::details`].
    pub columns: &'static [Column],
    /// Those of them that a row that is there keeps.
    pub keys: &'static [&'static str],
    /// Which of the table's rows are meant.
    pub rows: &'static str,
    /// What is read of a row `t` to be compared; `$5` is the present.
    pub known: &'static str,
    /// The unique index by which a row is found that is there.
    pub conflict: &'static str,
}

//! jsonb as an argument.

use std::ffi::CStr;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::datum::FromDatum;
use pgrx::nullable::Nullable;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{direct_function_call, pg_sys};
use serde_json::Value;

use crate::errors::{SqlResult, invalid_argument};

/// A jsonb argument, not read yet. `pgrx::JsonB` reads it on the way in and has but an internal error for what PostgreSQL
/// can hold and serde_json refuses: more than 127 levels.
pub struct Json(String);

impl Json {
    /// # Errors
    /// 22023 for what is nested too deeply; `name` is the argument's.
    pub fn read(&self, name: &str) -> SqlResult<Value> {
        serde_json::from_str(&self.0).map_err(|error| {
            invalid_argument(format!("{name} can't be read"))
                .set_detail(format!("{error}."))
                .set_hint("Up to 127 levels of arrays and objects are taken.")
        })
    }
}

impl FromDatum for Json {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the caller's: a jsonb, which jsonb_out detoasts by itself.
        let text = unsafe { direct_function_call::<&CStr>(pg_sys::jsonb_out, &[Some(datum)]) }?;
        Some(Self(text.to_string_lossy().into_owned()))
    }
}

// SAFETY: a datum of the type that ARGUMENT_SQL names is read as that type; NULL is never read.
unsafe impl<'fcx> ArgAbi<'fcx> for Json {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller's.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(Self(String::new()))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: the caller's.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: jsonb is what `from_polymorphic_datum` takes.
unsafe impl SqlTranslatable for Json {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Json);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Err(ReturnsError::Datum);
}

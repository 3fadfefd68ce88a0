//! What a utility statement means for the workers.

use std::ffi::CStr;

use pgrx::{PgList, is_a, pg_sys};

const EXTENSION: &CStr = c"calendar_sync";

/// Whom a utility statement concerns.
pub enum Concern {
    Nobody,
    /// The extension may be in this database from now on.
    Extension,
    /// There may be other databases from now on.
    Launcher,
    /// Nobody else may be in this database, or at the extension's tables in it.
    Alone(pg_sys::Oid),
    /// The worker of this database reads its settings at its start.
    Restart(pg_sys::Oid),
}

/// # Safety
/// `node` is a utility statement; within a transaction.
pub unsafe fn concern(node: *mut pg_sys::Node) -> Concern {
    use pg_sys::NodeTag;
    // SAFETY: each cast follows the node's tag; strings are the parser's.
    unsafe {
        match (*node).type_ {
            NodeTag::T_CreateExtensionStmt => of_creation(&*node.cast()),
            NodeTag::T_AlterExtensionStmt => of_extension((*node.cast::<pg_sys::AlterExtensionStmt>()).extname),
            NodeTag::T_DropStmt => of_drop(&*node.cast()),
            NodeTag::T_TransactionStmt => of_transaction(&*node.cast()),
            NodeTag::T_CreatedbStmt => of_createdb(&*node.cast()),
            NodeTag::T_DropdbStmt => of_database((*node.cast::<pg_sys::DropdbStmt>()).dbname, Concern::Alone),
            NodeTag::T_RenameStmt => of_rename(&*node.cast()),
            NodeTag::T_AlterDatabaseStmt => of_alter(&*node.cast()),
            NodeTag::T_AlterDatabaseSetStmt => {
                of_database((*node.cast::<pg_sys::AlterDatabaseSetStmt>()).dbname, Concern::Restart)
            }
            _ => Concern::Nobody,
        }
    }
}

unsafe fn of_creation(creation: &pg_sys::CreateExtensionStmt) -> Concern {
    // SAFETY: the parser's string.
    if unsafe { CStr::from_ptr(creation.extname) } == EXTENSION { Concern::Extension } else { Concern::Nobody }
}

/// CREATE EXTENSION may be in what is committed now, and what is to be undone elsewhere in what is rolled back.
unsafe fn of_transaction(transaction: &pg_sys::TransactionStmt) -> Concern {
    use pg_sys::TransactionStmtKind::{TRANS_STMT_COMMIT_PREPARED, TRANS_STMT_ROLLBACK_PREPARED};
    match transaction.kind {
        TRANS_STMT_COMMIT_PREPARED | TRANS_STMT_ROLLBACK_PREPARED => Concern::Extension,
        _ => Concern::Nobody,
    }
}

unsafe fn of_drop(drop: &pg_sys::DropStmt) -> Concern {
    if drop.removeType != pg_sys::ObjectType::OBJECT_EXTENSION {
        return Concern::Nobody;
    }
    // SAFETY: the parser gives extensions as strings.
    unsafe {
        let names = PgList::<pg_sys::String>::from_pg(drop.objects);
        let ours = names.iter_ptr().map(|name| (*name).sval).find(|name| CStr::from_ptr(*name) == EXTENSION);
        ours.map_or(Concern::Nobody, |name| of_extension(name))
    }
}

unsafe fn of_extension(name: *const std::ffi::c_char) -> Concern {
    // SAFETY: the parser's string; look-ups in the catalog.
    unsafe {
        if CStr::from_ptr(name) != EXTENSION {
            return Concern::Nobody;
        }
        let extension = pg_sys::get_extension_oid(name, true);
        if extension == pg_sys::InvalidOid || !owns_extension(extension) {
            Concern::Nobody
        } else {
            Concern::Alone(pg_sys::MyDatabaseId)
        }
    }
}

unsafe fn of_createdb(creation: &pg_sys::CreatedbStmt) -> Concern {
    // SAFETY: options are a list of DefElem.
    unsafe {
        match option(creation.options, c"template") {
            Some(template) if !(*template).arg.is_null() => {
                match of_database(pg_sys::defGetString(template), Concern::Alone) {
                    Concern::Nobody => Concern::Launcher,
                    concern => concern,
                }
            }
            _ => Concern::Launcher,
        }
    }
}

unsafe fn of_rename(rename: &pg_sys::RenameStmt) -> Concern {
    if rename.renameType != pg_sys::ObjectType::OBJECT_DATABASE {
        return Concern::Nobody;
    }
    // SAFETY: the parser's string.
    unsafe { of_database(rename.subname, Concern::Alone) }
}

/// SET TABLESPACE wants the database for itself; other options (ALLOW_CONNECTIONS, IS_TEMPLATE) say who may have a
/// worker.
unsafe fn of_alter(alter: &pg_sys::AlterDatabaseStmt) -> Concern {
    // SAFETY: options are a list of DefElem; the parser's string.
    unsafe {
        match option(alter.options, c"tablespace") {
            Some(_) => of_database(alter.dbname, Concern::Alone),
            None => Concern::Launcher,
        }
    }
}

/// `concern` of the database of that name. Nobody's where the user does not own it: who may not drop or change a
/// database must not be able to stop its worker either.
unsafe fn of_database(name: *const std::ffi::c_char, concern: fn(pg_sys::Oid) -> Concern) -> Concern {
    // SAFETY: the parser's string; look-ups in the catalog.
    unsafe {
        let database = if name.is_null() { pg_sys::InvalidOid } else { pg_sys::get_database_oid(name, true) };
        if database == pg_sys::InvalidOid || !owns_database(database) { Concern::Nobody } else { concern(database) }
    }
}

unsafe fn option(options: *mut pg_sys::List, name: &CStr) -> Option<*mut pg_sys::DefElem> {
    // SAFETY: a list of DefElem; names are the parser's strings.
    unsafe {
        PgList::<pg_sys::DefElem>::from_pg(options).iter_ptr().find(|element| {
            is_a((*element).cast(), pg_sys::NodeTag::T_DefElem) && CStr::from_ptr((**element).defname) == name
        })
    }
}

unsafe fn owns_database(database: pg_sys::Oid) -> bool {
    // SAFETY: look-ups in the catalog.
    unsafe {
        let user = pg_sys::GetUserId();
        #[cfg(feature = "pg15")]
        return pg_sys::pg_database_ownercheck(database, user);
        #[cfg(not(feature = "pg15"))]
        return pg_sys::object_ownercheck(pg_sys::DatabaseRelationId, database, user);
    }
}

unsafe fn owns_extension(extension: pg_sys::Oid) -> bool {
    // SAFETY: look-ups in the catalog.
    unsafe {
        let user = pg_sys::GetUserId();
        #[cfg(feature = "pg15")]
        return pg_sys::pg_extension_ownercheck(extension, user);
        #[cfg(not(feature = "pg15"))]
        return pg_sys::object_ownercheck(pg_sys::ExtensionRelationId, extension, user);
    }
}

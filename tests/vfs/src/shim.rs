//! The VFS itself: what SQLite calls by pointers. Each file is one of the system's VFS with a head of its own before it.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Once};

use rusqlite::ffi;

use super::{Error, File, Inner, Operation, Pending, disk_of};

/// By which a database is opened on a disk of this crate.
pub const NAME: &str = "faulty-disk";
const C_NAME: &CStr = c"faulty-disk";

/// The head of an open file; the system's file lies behind it in the same memory.
#[repr(C)]
struct Head {
    file: ffi::sqlite3_file,
    real: *mut ffi::sqlite3_file,
    /// Of `Arc::into_raw`; null for files that nothing is done to.
    disk: *const Inner,
    which: c_int,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Without memory mapping of the file itself, which would pass by this.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Makes the VFS known to SQLite, once.
pub(super) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the default VFS lives as long as the process, and so does the copy of it, which is leaked. The copied
        // functions of the system's VFS do not look at the VFS that they are given.
        unsafe {
            let real = ffi::sqlite3_vfs_find(ptr::null());
            assert!(!real.is_null(), "SQLite has a VFS of the system");
            let mut shim = ptr::read(real);
            shim.szOsFile += c_int::try_from(size_of::<Head>()).expect("a few words");
            shim.pNext = ptr::null_mut();
            shim.zName = C_NAME.as_ptr();
            shim.pAppData = real.cast();
            shim.xOpen = Some(open);
            let code = ffi::sqlite3_vfs_register(Box::leak(Box::new(shim)), 0);
            assert_eq!(code, ffi::SQLITE_OK, "it is registered");
        }
    });
}

/// Calls a method of the system's file.
macro_rules! real {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        // SAFETY: SQLite gives only files that `open` made, whose head has the system's open file.
        unsafe {
            let real = (*$file.cast::<Head>()).real;
            match (*(*real).pMethods).$method {
                Some(method) => method(real $(, $argument)*),
                None => ffi::SQLITE_NOTFOUND,
            }
        }
    }};
}

/// The disk under a file, and which file of it that is.
fn disk<'a>(file: *mut ffi::sqlite3_file) -> Option<(&'a Inner, File)> {
    // SAFETY: as above; the disk is kept alive by the head until the file is closed.
    let (disk, which) = unsafe {
        let head = &*file.cast::<Head>();
        (head.disk.as_ref()?, head.which)
    };
    let which = if which & ffi::SQLITE_OPEN_WAL != 0 { File::Log } else { File::Database };
    Some((disk, which))
}

fn fails(file: *mut ffi::sqlite3_file, operation: Operation) -> Option<Error> {
    let (disk, which) = disk(file)?;
    disk.fails(which, operation)
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let which = flags & (ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL);
    let disk = if which == 0 || name.is_null() { None } else { known(name, which) };
    // SAFETY: SQLite gives as much memory as `szOsFile` says: the head, and behind it the system's file.
    unsafe {
        (*file).pMethods = ptr::null();
        let kind = if which & ffi::SQLITE_OPEN_WAL != 0 { File::Log } else { File::Database };
        if let Some(disk) = &disk
            && disk.fails(kind, Operation::Open).is_some()
        {
            return ffi::SQLITE_CANTOPEN;
        }
        let real_vfs = (*vfs).pAppData.cast::<ffi::sqlite3_vfs>();
        let real = file.cast::<u8>().add(size_of::<Head>()).cast::<ffi::sqlite3_file>();
        let Some(open) = (*real_vfs).xOpen else { return ffi::SQLITE_CANTOPEN };
        let code = open(real_vfs, name, real, flags, out_flags);
        if code != ffi::SQLITE_OK || (*real).pMethods.is_null() {
            return if code == ffi::SQLITE_OK { ffi::SQLITE_CANTOPEN } else { code };
        }
        if let Some(disk) = &disk {
            disk.opened(kind);
        }
        let disk = disk.map_or(ptr::null(), Arc::into_raw);
        ptr::write(file.cast::<Head>(), Head { file: ffi::sqlite3_file { pMethods: &METHODS }, real, disk, which });
        code
    }
}

/// The disk under the file of this name.
fn known(name: *const c_char, which: c_int) -> Option<Arc<Inner>> {
    // SAFETY: SQLite gives names that end with a zero.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    let name = if which & ffi::SQLITE_OPEN_WAL != 0 { name.strip_suffix(b"-wal")? } else { name };
    disk_of(Path::new(OsStr::from_bytes(name)))
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let code = real!(file, xClose);
    // SAFETY: the disk in the head came from `Arc::into_raw`, and nothing is asked of a file once it is closed.
    unsafe {
        let head = &mut *file.cast::<Head>();
        if !head.disk.is_null() {
            drop(Arc::from_raw(head.disk));
            head.disk = ptr::null();
        }
    }
    code
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    amount: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    match fails(file, Operation::Read) {
        Some(Error::Short) => {
            // SAFETY: SQLite gives memory for `amount` bytes, which a short read has to fill up with zeros.
            unsafe { ptr::write_bytes(into.cast::<u8>(), 0, usize::try_from(amount).unwrap_or(0)) };
            ffi::SQLITE_IOERR_SHORT_READ
        }
        Some(Error::Broken | Error::Full) => ffi::SQLITE_IOERR_READ,
        None => real!(file, xRead, into, amount, at),
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    amount: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    let failure = fails(file, Operation::Write);
    let (amount, code) = match failure {
        Some(Error::Full) => (amount / 2, ffi::SQLITE_FULL),
        Some(Error::Broken | Error::Short) => (0, ffi::SQLITE_IOERR_WRITE),
        None => (amount, ffi::SQLITE_OK),
    };
    if amount > 0 {
        let written = real!(file, xWrite, from, amount, at);
        if written != ffi::SQLITE_OK {
            return written;
        }
        if let (Some((disk, which)), Ok(length), Ok(at)) = (disk(file), usize::try_from(amount), usize::try_from(at)) {
            // SAFETY: SQLite gives `amount` bytes to write.
            let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length) }.to_vec();
            disk.written(which, Pending::Write { at, bytes });
        }
    }
    code
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: ffi::sqlite3_int64) -> c_int {
    if fails(file, Operation::Truncate).is_some() {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    let code = real!(file, xTruncate, length);
    if let (ffi::SQLITE_OK, Some((disk, which)), Ok(length)) = (code, disk(file), usize::try_from(length)) {
        disk.written(which, Pending::Truncate(length));
    }
    code
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let Some((disk, which)) = disk(file) else { return real!(file, xSync, flags) };
    // The system's own flush would only take time: what lasts is kept by this disk.
    if disk.fails(which, Operation::Sync).is_some() {
        disk.lost(which);
        return ffi::SQLITE_IOERR_FSYNC;
    }
    disk.flushed(which);
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut ffi::sqlite3_int64) -> c_int {
    real!(file, xFileSize, size)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    real!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    real!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, held: *mut c_int) -> c_int {
    real!(file, xCheckReservedLock, held)
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    real!(file, xFileControl, operation, argument)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    real!(file, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    real!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    into: *mut *mut c_void,
) -> c_int {
    if fails(file, Operation::Map).is_some() {
        // SAFETY: SQLite gives where the address goes.
        unsafe { *into = ptr::null_mut() };
        return ffi::SQLITE_IOERR_SHMMAP;
    }
    real!(file, xShmMap, page, size, extend, into)
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, number: c_int, flags: c_int) -> c_int {
    real!(file, xShmLock, offset, number, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: as in `real`.
    unsafe {
        let real = (*file.cast::<Head>()).real;
        if let Some(barrier) = (*(*real).pMethods).xShmBarrier {
            barrier(real);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    real!(file, xShmUnmap, delete)
}

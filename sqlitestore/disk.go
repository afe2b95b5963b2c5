package sqlitestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/a74cfa30/tokenauth"
)

// A disk is where the store's file lies. SQLite goes on with the file it has opened, even when nobody else can see it any more: it was
// deleted, or another one was put in its place. What is written then is lost, and what is read is the past. So before each call the file
// is looked at, which costs about a fifth of a look-up.
//
// A copy that is written over the file, instead of put in its place, is the same file. Nobody can see that, SQLite included.
type disk struct {
	path string      // "": not known, and not looked at
	only os.FileInfo // New: the file that the caller's database is on; nil: whatever file is at path

	mu        sync.Mutex
	file, log os.FileInfo // the file that was last connected to, and its write-ahead log
}

// stat looks at the file that is the store's now.
func (d *disk) stat() (os.FileInfo, error) {
	if d.path == "" {
		return nil, nil
	}
	file, err := os.Stat(d.path)
	switch {
	case err != nil:
		return nil, unavailable("looking for the file", err)
	case d.only != nil && !os.SameFile(file, d.only):
		return nil, refuse("the database's file was replaced, see New", tokenauth.ErrUnavailable)
	}
	return file, nil
}

// isStill says whether file is the store's now.
func (d *disk) isStill(file os.FileInfo) error {
	now, err := d.stat()
	if err == nil && !sameFile(now, file) {
		err = refuse("the file was replaced meanwhile", tokenauth.ErrUnavailable)
	}
	return err
}

// mayConnect refuses a file that was put in another's place but has that one's write-ahead log beside it. SQLite would take the log for
// the file's own, and pages of two databases for one.
func (d *disk) mayConnect(file os.FileInfo) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil || sameFile(file, d.file) || d.log == nil {
		return nil
	}
	if log := d.statLog(); log != nil && os.SameFile(log, d.log) {
		return refuse("the file was replaced, and the write-ahead log of the old one still lies beside it", tokenauth.ErrUnavailable)
	}
	return nil
}

// connected notes the file that was connected to.
func (d *disk) connected(file os.FileInfo) {
	if file == nil {
		return
	}
	log := d.statLog()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.file, d.log = file, log
}

// statLog looks at the write-ahead log, which lies beside the file itself and not beside a link to it. nil: there is none.
func (d *disk) statLog() os.FileInfo {
	file, err := filepath.EvalSymlinks(d.path)
	if err != nil {
		return nil
	}
	log, err := os.Stat(file + "-wal")
	if err != nil {
		return nil
	}
	return log
}

// sameFile says whether two files are one, or both are not known.
func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b)
}

// makeFile makes the file, unless it is there, for this user only. A file that exists is not opened: closing any descriptor of it would
// drop the locks that SQLite holds on it elsewhere in this process.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

package sqlitestore

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

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

	mu          sync.Mutex
	file, log   os.FileInfo // the file that was last connected to, and its write-ahead log
	incarnation string      // a random name of that file, until it was out of sight
	failure     failure
}

// A failure is what became of the last attempt to connect. Connecting costs many times what a look-up does, so that a file that cannot be
// connected to would be the more work the less it answers: it is tried again when it has changed, or after failurePause.
type failure struct {
	file os.FileInfo
	err  error
	at   time.Time
}

const failurePause = 10 * time.Millisecond

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
// the file's own, and pages of two databases for one. And it refuses a file that could not be connected to a moment ago.
func (d *disk) mayConnect(file os.FileInfo) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := &d.failure; f.err != nil && unchanged(f.file, file) && time.Since(f.at) < failurePause {
		return f.err
	}
	if d.file == nil || sameFile(file, d.file) || d.log == nil {
		return nil
	}
	if log := d.statLog(); log != nil && os.SameFile(log, d.log) {
		return refuse("the file was replaced, and the write-ahead log of the old one still lies beside it", tokenauth.ErrUnavailable)
	}
	return nil
}

// failed notes that file could not be connected to, and why.
func (d *disk) failed(file os.FileInfo, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failure = failure{file, err, time.Now()}
}

// connected notes the file that was connected to, and returns the name of its incarnation: the same as long as it was in sight.
func (d *disk) connected(file os.FileInfo) string {
	var log os.FileInfo
	if file != nil {
		log = d.statLog()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.incarnation == "" || !sameFile(file, d.file) {
		d.incarnation = rand.Text()
	}
	d.file, d.log, d.failure = file, log, failure{}
	return d.incarnation
}

// note notes which file is there, nil for none. When another one is, or none, the incarnation has ended: one that is the same for the
// system later may still be another one, because the system gives its numbers of files out again.
func (d *disk) note(file os.FileInfo) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !sameFile(file, d.file) {
		d.incarnation = ""
	}
}

// inSight says whether the file has been in sight since the incarnation began.
func (d *disk) inSight(incarnation string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return incarnation == d.incarnation
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

// unchanged says whether b is the file a, as it was.
func unchanged(a, b os.FileInfo) bool {
	return sameFile(a, b) && (a == nil || a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()))
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

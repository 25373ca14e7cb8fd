package statelog

import (
	"io"
	"os"
	"path/filepath"
)

// files is what a log needs of a file system. It is the seam for tests that cut the power or fill the disk.
type files interface {
	// Mkdir makes dir, for its owner only, and what is missing above it.
	Mkdir(dir string) error
	// Open opens a file, its owner's only, with the flags of package os.
	Open(name string, flag int) (file, error)
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes durable which files dir has.
	SyncDir(dir string) error
	// Lock takes name for this process; ErrLocked says that another has it.
	Lock(name string) (io.Closer, error)
}

type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
}

// osFiles is the file system of the machine.
type osFiles struct{}

func (osFiles) Mkdir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return osFiles{}.SyncDir(filepath.Dir(dir))
}

func (osFiles) Open(name string, flag int) (file, error) {
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFiles) Rename(from, to string) error { return os.Rename(from, to) }
func (osFiles) Remove(name string) error     { return os.Remove(name) }

func (osFiles) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = syncDir(d)
	if shut := d.Close(); err == nil {
		err = shut
	}
	return err
}

func (osFiles) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

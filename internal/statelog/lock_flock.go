//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package statelog

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes f for this process until it is closed, which the kernel does for a process that dies.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// syncDir makes durable which files a directory has. Some file systems have no such thing and say EINVAL.
func syncDir(d *os.File) error {
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

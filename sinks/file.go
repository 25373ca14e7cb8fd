package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"edge/engine"
	"edge/internal/strictyaml"
)

// File writes each payload as a line of JSON to the end of a file.
type File struct {
	Path   string  `yaml:"path,path,required"`
	Rotate *Rotate `yaml:"rotate"`
}

// Rotate says when a file is renamed and a new one begun, and how many old ones stay.
type Rotate struct {
	Size int64         `yaml:"size,size"`
	Age  time.Duration `yaml:"age"`
	Keep int           `yaml:"keep,nonzero"` // 7
}

// Validate checks that there is a reason to rotate.
func (c *Rotate) Validate(pos func(key string) strictyaml.Pos, errs *strictyaml.Errors) {
	if c.Size < 0 {
		errs.Add(pos("size"), "size wants a size such as 64MiB, not %d", c.Size)
	}
	if c.Age < 0 {
		errs.Add(pos("age"), "age wants a duration above 0 such as 24h, not %s", c.Age)
	}
	if c.Keep < 0 {
		errs.Add(pos("keep"), "keep wants a number above 0, not %d", c.Keep)
	}
	if c.Size == 0 && c.Age == 0 {
		errs.Add(pos(""), "rotate needs a size or an age")
	}
}

func (c *File) open(_ string, deps Deps) (engine.Sink, error) {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, err
	}
	s := &fileOut{path: path, warn: func(err error) {
		deps.Log.Warn("old files of this sink were not removed", "file", path, "err", err)
	}}
	if c.Rotate != nil {
		s.rotate = *c.Rotate
	}
	if s.rotate.Keep == 0 {
		s.rotate.Keep = 7
	}
	if err := s.reopen(); err != nil {
		return nil, err
	}
	return s, nil
}

// fileOut is an open file sink. What Write has accepted is on the disk.
type fileOut struct {
	path   string
	rotate Rotate
	warn   func(error)

	file   *os.File // nil after an error
	device bool     // or a pipe: it has no size and is not renamed
	size   int64
	began  time.Time // when the file was
	text   []byte
}

// Write appends the batch as a whole, or takes back what of it was written.
func (s *fileOut) Write(_ context.Context, batch []*engine.Message, result []error) {
	s.text = s.text[:0]
	for _, m := range batch {
		s.text = append(appendJSON(s.text, m.Payload), '\n')
	}
	err := s.append(s.text)
	if cap(s.text) > 4<<20 {
		s.text = nil // one large batch does not hold its memory for ever
	}
	for i := range result {
		result[i] = err
	}
}

func (s *fileOut) append(text []byte) error {
	if err := s.ready(int64(len(text))); err != nil {
		return err
	}
	_, err := s.file.Write(text)
	if err == nil {
		err = synced(s.file)
	}
	if err != nil {
		// The lines come again: half of one must not stand before them. After a failed sync the kernel may
		// have dropped what it could not write and say no more of it, so this file is not trusted further.
		s.file.Truncate(s.size)
		s.Close()
		return err
	}
	s.size += int64(len(text))
	return nil
}

// ready makes sure that file is what stands at path, and has room for more bytes. Others may have moved it
// away, as logrotate does, or deleted it.
func (s *fileOut) ready(more int64) error {
	if s.file != nil {
		there, err := os.Stat(s.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		ours, err2 := s.file.Stat()
		if err2 != nil {
			return err2
		}
		if err != nil || !os.SameFile(there, ours) {
			s.Close()
		} else {
			s.size = ours.Size() // another program may have cut it
		}
	}
	if s.file == nil {
		if err := s.reopen(); err != nil {
			return err
		}
	}
	full := s.rotate.Size > 0 && s.size+more > s.rotate.Size
	old := s.rotate.Age > 0 && time.Since(s.began) >= s.rotate.Age
	if s.device || s.size == 0 || !full && !old {
		return nil
	}
	return s.turn()
}

// reopen opens or makes the file, and ends a line that a crash has cut.
func (s *fileOut) reopen() error {
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	_, err := os.Lstat(s.path)
	made := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	s.file = f
	if err := s.adopt(made); err != nil {
		s.Close()
		return err
	}
	return nil
}

func (s *fileOut) adopt(made bool) error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	s.size, s.began, s.device = info.Size(), time.Now(), !info.Mode().IsRegular()
	if made {
		return syncDir(filepath.Dir(s.path))
	}
	if s.size == 0 || s.device {
		return nil
	}
	s.began = s.beginning(info)
	var last [1]byte
	if _, err := s.file.ReadAt(last[:], s.size-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		if _, err := s.file.Write([]byte{'\n'}); err != nil {
			return err
		}
		s.size++
	}
	return nil
}

// beginning is when a file that was found began: at the last rotation, for all that its content tells.
func (s *fileOut) beginning(info fs.FileInfo) time.Time {
	if old, err := s.rotated(); err == nil && len(old) > 0 {
		stamp, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(old[len(old)-1]), filepath.Base(s.path)+"."), "Z")
		if at, err := time.Parse(rotateStamp, stamp+"Z"); err == nil && at.Before(info.ModTime()) {
			return at
		}
	}
	return info.ModTime()
}

// rotateStamp is what a file's name gets when it is renamed; names sort by time.
const rotateStamp = "20060102T150405.000Z"

// turn renames the file, begins a new one and removes the oldest.
func (s *fileOut) turn() error {
	stamped := s.path + "." + time.Now().UTC().Format(rotateStamp)
	name := stamped
	for n := 1; exists(name); n++ {
		name = fmt.Sprintf("%s-%03d", stamped, n)
	}
	if err := os.Rename(s.path, name); err != nil {
		return err
	}
	s.Close()
	if err := s.reopen(); err != nil {
		return err
	}
	if err := s.prune(); err != nil {
		s.warn(err) // the message goes on all the same
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func (s *fileOut) prune() error {
	old, err := s.rotated()
	if err != nil {
		return err
	}
	var errs []error
	for len(old) > s.rotate.Keep {
		errs = append(errs, os.Remove(old[0]))
		old = old[1:]
	}
	return errors.Join(errs...)
}

// rotated is the renamed files, the oldest first. Others whose names merely begin alike are not ours.
func (s *fileOut) rotated() ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(s.path))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), filepath.Base(s.path)+".")
		if !ok {
			continue
		}
		stamp, n, more := strings.Cut(rest, "-")
		if _, err := time.Parse(rotateStamp, stamp); err != nil {
			continue
		}
		if _, err := strconv.Atoi(n); more && err != nil {
			continue
		}
		names = append(names, filepath.Join(filepath.Dir(s.path), e.Name()))
	}
	slices.Sort(names)
	return names, nil
}

// Close is called more than once: also when the file is given up.
func (s *fileOut) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// syncDir makes a new name last over a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return synced(d)
}

// synced brings f to the disk. A pipe or a device has none, nor has a directory on some file systems.
func synced(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

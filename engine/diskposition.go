package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// The position says which records are settled, so that they are not delivered again after a restart. It
// stands in two files that are written in turn, in place: a crash in the middle of one leaves the other, and
// a full disk has the room already.
//
//	magic      7 bytes, "EDGEPOS", and 1 of the version
//	generation 8 bytes, the larger one counts
//	low        8 bytes, this and all below are settled
//	count      4 bytes, of the spans that follow, 16 bytes each
//	crc        4 bytes, CRC-32C of all before
const (
	positionMagic = "EDGEPOS"
	diskVersion   = 1
	positionPage  = 4096 // the files grow by this
)

// A newerError refuses files that a newer edge wrote.
type newerError struct {
	file    string
	version byte
}

func (e *newerError) Error() string {
	return fmt.Sprintf("%s was written by a newer edge (version %d, this one reads up to %d): start that one, or move the folder away", e.file, e.version, diskVersion)
}

func positionFile(dir string, generation uint64) string {
	return filepath.Join(dir, [...]string{"position-a", "position-b"}[generation%2])
}

// writePosition makes durable which records are settled.
func writePosition(fs filesystem, dir string, generation uint64, settled *numbers) error {
	data := append([]byte(positionMagic), diskVersion)
	data = binary.LittleEndian.AppendUint64(data, generation)
	data = binary.LittleEndian.AppendUint64(data, settled.low)
	data = binary.LittleEndian.AppendUint32(data, uint32(len(settled.spans)))
	for _, s := range settled.spans {
		data = binary.LittleEndian.AppendUint64(data, s.first)
		data = binary.LittleEndian.AppendUint64(data, s.last)
	}
	data = binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
	data = append(data, make([]byte, -len(data)&(positionPage-1))...)

	f, err := fs.Open(positionFile(dir, generation), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err == nil {
		_, err = f.WriteAt(data, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if shut := f.Close(); err == nil {
		err = shut
	}
	if err == nil && size == 0 {
		err = fs.SyncDir(dir)
	}
	return err
}

// readPosition gives the position that counts; generation is 0 when there is none. A file that does not read
// is as good as none: what it knew is delivered again.
func readPosition(fs filesystem, dir string) (settled numbers, generation uint64, damaged bool, err error) {
	for n := range uint64(2) {
		name := positionFile(dir, n)
		data, err := readWhole(fs, name)
		if errors.Is(err, os.ErrNotExist) || err == nil && len(data) == 0 {
			continue
		}
		if err != nil {
			return settled, 0, damaged, err
		}
		one, g, version, ok := parsePosition(data)
		switch {
		case version > diskVersion:
			return settled, 0, damaged, &newerError{name, version}
		case !ok:
			damaged = true
		case g > generation:
			settled, generation = one, g
		}
	}
	return settled, generation, damaged, nil
}

func parsePosition(data []byte) (settled numbers, generation uint64, version byte, ok bool) {
	const fixed = len(positionMagic) + 1 + 8 + 8 + 4
	if len(data) < fixed+4 || string(data[:len(positionMagic)]) != positionMagic {
		return settled, 0, 0, false
	}
	count := uint64(binary.LittleEndian.Uint32(data[fixed-4:]))
	if count > uint64(len(data)-fixed-4)/16 {
		return settled, 0, 0, false
	}
	end := fixed + int(count)*16
	if crc32.Checksum(data[:end], castagnoli) != binary.LittleEndian.Uint32(data[end:]) {
		return settled, 0, 0, false
	}
	version = data[len(positionMagic)]
	generation = binary.LittleEndian.Uint64(data[8:])
	settled.low = binary.LittleEndian.Uint64(data[16:])
	for at := fixed; at < end; at += 16 {
		settled.add(binary.LittleEndian.Uint64(data[at:]), binary.LittleEndian.Uint64(data[at+8:]))
	}
	return settled, generation, version, generation > 0 && settled.most() < numberMost
}

func readWhole(fs filesystem, name string) ([]byte, error) {
	f, err := fs.Open(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	n, err := readAt(f, data, 0)
	return data[:n], err
}

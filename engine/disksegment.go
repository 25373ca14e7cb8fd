package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A segment is a file of records, in order. Its name has the number of its first record and its salt:
// 0000000000000001-5f3a9c01.log. It begins with a header, which is only there to be looked at by the versions
// to come, so that a damaged one harms nothing:
//
//	magic 7 bytes, "EDGEBUF", and 1 of the version
//	salt  4 bytes, as in the name
//	crc   4 bytes, CRC-32C of all before
type segment struct {
	name string
	salt uint32
	size int64 // of what is good: what may be behind it was never safe

	first, last uint64 // numbers of its records; none while last < first
	left        uint64 // of them, that are not settled
}

const (
	segmentMagic  = "EDGEBUF"
	segmentHeader = len(segmentMagic) + 1 + 4 + 4
	readAhead     = 256 << 10 // what is read at a time
	readMost      = 256       // messages, likewise
	numberMost    = 1 << 62   // no record gets that far
)

func segmentName(first uint64, salt uint32) string { return fmt.Sprintf("%016x-%08x.log", first, salt) }

func parseSegmentName(name string) (s *segment, ok bool) {
	numbers, log := strings.CutSuffix(name, ".log")
	first, salt, dash := strings.Cut(numbers, "-")
	n, err := strconv.ParseUint(first, 16, 64)
	x, err2 := strconv.ParseUint(salt, 16, 32)
	if !log || !dash || err != nil || err2 != nil || n == 0 || n >= numberMost || name != segmentName(n, uint32(x)) {
		return nil, false
	}
	return &segment{name: name, salt: uint32(x), first: n, last: n - 1}, true
}

func appendSegmentHeader(dst []byte, salt uint32) []byte {
	dst = append(append(dst, segmentMagic...), diskVersion)
	dst = binary.LittleEndian.AppendUint32(dst, salt)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

// segmentVersion reads the version out of a header that is whole.
func segmentVersion(header []byte) (version byte, ok bool) {
	if len(header) < segmentHeader || string(header[:len(segmentMagic)]) != segmentMagic ||
		crc32.Checksum(header[:segmentHeader-4], castagnoli) != binary.LittleEndian.Uint32(header[segmentHeader-4:]) {
		return 0, false
	}
	return header[len(segmentMagic)], true
}

// cutRecord takes the first record of data. need is 0 and body nil when data does not begin with one; need is
// more than data has when its end is missing.
func cutRecord(data []byte, salt uint32) (body []byte, need int64) {
	if len(data) < recordHeader {
		return nil, recordHeader
	}
	if binary.LittleEndian.Uint32(data) != salt {
		return nil, 0
	}
	need = recordHeader + int64(binary.LittleEndian.Uint32(data[4:]))
	if need > int64(len(data)) {
		return nil, need
	}
	body = data[recordHeader:need]
	if sum(data[4:8], body) != binary.LittleEndian.Uint32(data[8:]) {
		return nil, 0
	}
	return body, need
}

// A reader reads the records of segments.
type reader struct {
	fs   filesystem
	dir  string
	name string // of the open segment
	file file
	buf  []byte
}

// A found is a record that was read; its body is valid until the next read.
type found struct {
	body []byte
	end  int64 // where it ends in the segment
}

// read reads records of s from off on: at least one unless there is none, and about as many as may wait in
// memory. skipped is the bytes before them that are no records. next is where to go on.
func (r *reader) read(s *segment, off int64) (records []found, next, skipped int64, err error) {
	if err := r.open(s); err != nil {
		return nil, off, 0, err
	}
	window := min(int64(readAhead), s.size-off)
	for off < s.size {
		data, err := r.fill(off, min(window, s.size-off))
		if err != nil {
			return nil, off, skipped, err
		}
		records, used, need := cutRecords(data, s.salt)
		switch {
		case len(records) > 0:
			for i := range records {
				records[i].end += off
			}
			return records, off + used, skipped, nil
		case need > int64(len(data)) && off+need <= s.size && int64(len(data)) == min(window, s.size-off):
			window = need
		default:
			to, err := r.resync(s, off+1)
			if err != nil {
				return nil, off, skipped, err
			}
			skipped += to - off
			off = to
		}
	}
	return nil, off, skipped, nil
}

// cutRecords cuts data into records, as many as may wait in memory. used is what they take, need what cutRecord
// said of what is behind them.
func cutRecords(data []byte, salt uint32) (records []found, used, need int64) {
	for len(records) < readMost {
		body, n := cutRecord(data[used:], salt)
		if body == nil {
			return records, used, n
		}
		used += n
		records = append(records, found{body, used})
	}
	return records, used, 0
}

// resync finds the next record of s at off or behind it, or its end. A record begins with the salt of its
// segment and has a right sum, so that what a payload holds is never taken for one.
func (r *reader) resync(s *segment, off int64) (int64, error) {
	salt := binary.LittleEndian.AppendUint32(nil, s.salt)
	for off < s.size {
		data, err := r.fill(off, min(readAhead, s.size-off))
		if err != nil {
			return off, err
		}
		at := bytes.Index(data, salt)
		if at < 0 {
			if off+int64(len(data)) >= s.size || len(data) < len(salt) {
				return s.size, nil
			}
			off += int64(len(data) - len(salt) + 1) // it may stand across two reads
			continue
		}
		off += int64(at)
		_, need := cutRecord(data[at:], s.salt)
		if rest := int64(len(data) - at); need > rest && off+need <= s.size {
			if data, err = r.fill(off, need); err != nil {
				return off, err
			}
			at = 0
		}
		if body, _ := cutRecord(data[at:], s.salt); body != nil {
			return off, nil
		}
		off++
	}
	return s.size, nil
}

// fill reads n bytes at off; fewer when the file is shorter than it was.
func (r *reader) fill(off, n int64) ([]byte, error) {
	if int64(cap(r.buf)) < n || cap(r.buf) > 2*readAhead && n <= readAhead {
		r.buf = make([]byte, max(n, min(readAhead, 2*n)))
	}
	got, err := readAt(r.file, r.buf[:n], off)
	return r.buf[:got], err
}

// readAt reads what there is of p; the end of the file is no error.
func readAt(f file, p []byte, off int64) (int, error) {
	n, err := f.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (r *reader) open(s *segment) error {
	if r.file != nil && r.name == s.name {
		return nil
	}
	r.close()
	f, err := r.fs.Open(filepath.Join(r.dir, s.name), os.O_RDONLY)
	if err != nil {
		return err
	}
	r.file, r.name = f, s.name
	return nil
}

func (r *reader) close() {
	if r.file != nil {
		_ = r.file.Close() // it was only read
		r.file = nil
	}
}

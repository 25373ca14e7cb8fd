package engine

import (
	"encoding/binary"
	"time"
)

// For tests that bring their own file system.
type (
	Filesystem = filesystem
	File       = file
)

// On puts buffers that are not open yet on fs.
func (b *Buffers) On(fs Filesystem) *Buffers {
	b.fs = fs
	return b
}

// RawRecord is a record with any body and the right sum.
func RawRecord(salt uint32, number uint64, body []byte) []byte {
	dst := binary.LittleEndian.AppendUint32(nil, salt)
	body = append(binary.LittleEndian.AppendUint64(nil, number), body...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
	dst = binary.LittleEndian.AppendUint32(dst, sum(dst[4:8], body))
	return append(dst, body...)
}

// Record is a record of m.
func Record(salt uint32, number uint64, at time.Time, m *Message) []byte {
	return appendRecord(nil, salt, number, at, m)
}

// SegmentFile is the name and the header of a segment.
func SegmentFile(first uint64, salt uint32) (name string, header []byte) {
	return segmentName(first, salt), appendSegmentHeader(nil, salt)
}

package statelog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// The file is two copies of a header and then frames:
//
//	header: "edgestat" | version u32 | marker u32 | crc32c u32 of these
//	frame:  marker u32 | length u32 | crc32c u32 of length and payload | payload
//	payload: records, each with its length before it as u32
//
// A frame is what one Commit made safe, all of it or nothing.
// The marker is random and the same for all frames of a file, so that they are found again behind damage, and
// not in what somebody made look like them. All numbers are little endian.

const (
	version    = 1
	magic      = "edgestat"
	copySize   = len(magic) + 12
	headerSize = int64(2 * copySize)
	frameSize  = 12 // before the payload
	maxPayload = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type head struct{ version, marker uint32 }

var (
	errNoHeader = errors.New("it does not begin as a state file does")
	errBegun    = errors.New("it was never finished")
)

func header(marker uint32) []byte {
	h := append(make([]byte, 0, headerSize), magic...)
	h = binary.LittleEndian.AppendUint32(h, version)
	h = binary.LittleEndian.AppendUint32(h, marker)
	h = binary.LittleEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
	return append(h, h...)
}

func readHeader(f file) (head, error) {
	size, err := f.Size()
	if err != nil {
		return head{}, err
	}
	both := make([]byte, min(size, headerSize))
	if len(both) > 0 {
		if _, err := f.ReadAt(both, 0); err != nil {
			return head{}, err
		}
	}
	for i := 0; i+copySize <= len(both); i += copySize {
		one := both[i : i+copySize]
		sum := binary.LittleEndian.Uint32(one[copySize-4:])
		if string(one[:len(magic)]) == magic && sum == crc32.Checksum(one[:copySize-4], castagnoli) {
			return head{binary.LittleEndian.Uint32(one[8:]), binary.LittleEndian.Uint32(one[12:])}, nil
		}
	}
	if n := min(len(both), len(magic)); size <= headerSize && (string(both[:n]) == magic[:n] || len(bytes.Trim(both, "\x00")) == 0) {
		return head{}, errBegun // it is synced before anything follows
	}
	return head{}, errNoHeader
}

// A Kind says what a record is.
type Kind byte

// The kinds of records.
const (
	Change Kind = 1 + iota // slots of a key have new values
	Gone                   // a key is forgotten
	Drop                   // all keys of a space are forgotten
	Name                   // whose a space is
	Clock                  // what time it was
	Anew                   // a key is forgotten, and its slots have new values
	based                  // what is above was compacted
)

// A Record is what one frame says. Of a Name, Key is the name and Parts the signature.
type Record struct {
	Kind  Kind
	Space Space
	Key   []byte
	Parts []byte
	Time  int64

	partsAt int // where Parts begin in the record
}

func (r *Record) parse(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	r.Kind, b = Kind(b[0]), b[1:]
	if r.Kind == based {
		return true
	}
	if len(b) < 8 {
		return false
	}
	number := binary.LittleEndian.Uint64(b)
	b = b[8:]
	switch r.Kind {
	case Clock:
		r.Time = int64(number)
		return true
	case Drop:
		r.Space = Space(number)
		return true
	case Change, Anew, Gone, Name:
		r.Space = Space(number)
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return false
		}
		r.Key, r.Parts = b[size:size+int(n)], b[size+int(n):]
		r.partsAt = 9 + size + int(n)
		return true
	}
	return false
}

// A Form says what the bytes of a part are.
type Form byte

// The forms of parts.
const (
	Whole  Form = iota // all of the value
	Growth             // to be added to the value before
	Empty              // there is no value any more
)

const (
	partHead   = 12
	formShift  = 30
	maxPartLen = 1<<formShift - 1
)

// BeginPart makes room for what comes before the bytes of a part. EndPart, with the length of dst before it,
// completes it.
func BeginPart(dst []byte, slot uint64) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, slot)
	return append(dst, 0, 0, 0, 0)
}

// EndPart completes a part that began at start. It is false, and the part not there, when it is too long.
func EndPart(dst []byte, start int, form Form) ([]byte, bool) {
	n := len(dst) - start - partHead
	if n > maxPartLen {
		return dst[:start], false
	}
	binary.LittleEndian.PutUint32(dst[start+8:], uint32(n)|uint32(form)<<formShift)
	return dst, true
}

// A Part is one value of a key.
type Part struct {
	Slot  uint64
	Form  Form
	Bytes []byte
}

// NextPart takes the first part off parts; false when there is none, or what is there is none.
func NextPart(parts []byte) (p Part, rest []byte, ok bool) {
	if len(parts) < partHead {
		return p, nil, false
	}
	p.Slot = binary.LittleEndian.Uint64(parts)
	word := binary.LittleEndian.Uint32(parts[8:])
	n := int(word & maxPartLen)
	if n > len(parts)-partHead {
		return p, nil, false
	}
	p.Form = Form(word >> formShift)
	p.Bytes = parts[partHead : partHead+n]
	return p, parts[partHead+n:], true
}

// A Batch is what one Commit makes safe, all of it or nothing.
type Batch struct {
	marker uint32
	buf    []byte   // one frame
	notes  []Record // what the log itself wants to know
}

// NewBatch makes an empty batch for the log.
func (l *Log) NewBatch() *Batch { return &Batch{marker: l.marker} }

// Len is how many bytes it has.
func (b *Batch) Len() int { return len(b.buf) }

// Reset empties it.
func (b *Batch) Reset() {
	b.buf, b.notes = b.buf[:0], b.notes[:0]
	if cap(b.buf) > 1<<20 {
		b.buf = nil // one that was large once need not stay so
	}
}

// MaxBatch is how long a batch may be.
const MaxBatch = maxPayload

// Change adds new values of a key, made by BeginPart and EndPart.
func (b *Batch) Change(space Space, key string, parts []byte) {
	start := b.keyed(Change, space, key)
	b.buf = append(b.buf, parts...)
	b.finish(start)
}

// Anew adds new values of a key, of which nothing else holds any more.
func (b *Batch) Anew(space Space, key string, parts []byte) {
	start := b.keyed(Anew, space, key)
	b.buf = append(b.buf, parts...)
	b.finish(start)
}

// Gone adds that a key is forgotten.
func (b *Batch) Gone(space Space, key string) { b.finish(b.keyed(Gone, space, key)) }

// Drop adds that all keys of a space are forgotten.
func (b *Batch) Drop(space Space) {
	start := b.record(Drop, uint64(space))
	b.finish(start)
	b.notes = append(b.notes, Record{Kind: Drop, Space: space})
}

// Name adds whose a space is. A space needs it before its first change, to be found again.
func (b *Batch) Name(space Space, info Info) {
	start := b.keyed(Name, space, info.Name)
	b.buf = append(b.buf, info.Signature...)
	b.finish(start)
	b.notes = append(b.notes, Record{Kind: Name, Space: space, Key: []byte(info.Name), Parts: []byte(info.Signature)})
}

// Clock adds what time it is.
func (b *Batch) Clock(ns int64) {
	b.finish(b.record(Clock, uint64(ns)))
	b.notes = append(b.notes, Record{Kind: Clock, Time: ns})
}

func (b *Batch) record(kind Kind, number uint64) (start int) {
	if len(b.buf) == 0 {
		b.buf = binary.LittleEndian.AppendUint32(b.buf, b.marker)
		b.buf = append(b.buf, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	start = len(b.buf)
	b.buf = append(b.buf, 0, 0, 0, 0, byte(kind))
	b.buf = binary.LittleEndian.AppendUint64(b.buf, number)
	return start
}

func (b *Batch) keyed(kind Kind, space Space, key string) (start int) {
	start = b.record(kind, uint64(space))
	b.buf = binary.AppendUvarint(b.buf, uint64(len(key)))
	b.buf = append(b.buf, key...)
	return start
}

func (b *Batch) finish(start int) {
	binary.LittleEndian.PutUint32(b.buf[start:], uint32(len(b.buf)-start-4))
}

// bytes is the whole frame.
func (b *Batch) bytes() []byte {
	if len(b.buf) > 0 {
		binary.LittleEndian.PutUint32(b.buf[4:], uint32(len(b.buf)-frameSize))
		binary.LittleEndian.PutUint32(b.buf[8:], checksum(b.buf))
	}
	return b.buf
}

// each hands on the records of a payload, with where their bytes begin in it. It is false when the payload is not
// made of records.
func each(payload []byte, do func(begin int, r *Record)) bool {
	var r Record
	for at := 0; at < len(payload); {
		if len(payload)-at < 4 {
			return false
		}
		n := int(binary.LittleEndian.Uint32(payload[at:]))
		at += 4
		r = Record{}
		if n < 0 || n > len(payload)-at || !r.parse(payload[at:at+n]) {
			return false
		}
		do(at, &r)
		at += n
	}
	return true
}

// checksum is that of a frame's length and payload.
func checksum(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(frame[4:8], castagnoli), castagnoli, frame[frameSize:])
}

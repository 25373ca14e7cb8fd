package statelog

import (
	"bytes"
	"encoding/binary"
	"io"
)

// damage is what a scan had to skip.
type damage struct {
	places, bytes, first int64
}

func (d *damage) add(at, bytes int64) {
	if d.places == 0 {
		d.first = at
	}
	d.places++
	d.bytes += bytes
}

// A scanner reads frames one after the other. Where one is damaged it goes on with the next that is not; where
// none follows, the file ends.
type scanner struct {
	f      io.ReaderAt
	off    int64 // of the next frame
	end    int64
	marker uint32
	damage damage
	err    error // of reading

	buf  []byte
	from int64 // where in the file buf begins
}

const chunk = 1 << 20

// next gives the payload of the next whole frame. It is valid until the next call. At the end, off is behind the
// last whole frame.
func (s *scanner) next() (at int64, payload []byte, ok bool) {
	if payload, ok = s.frame(s.off); !ok {
		at, ok = s.search(s.off + 1)
		if !ok {
			return 0, nil, false
		}
		s.damage.add(s.off, at-s.off)
		s.off = at
		payload, _ = s.frame(at)
	}
	at = s.off
	s.off += frameSize + int64(len(payload))
	return at, payload, true
}

// frame reads the frame at off, if a whole one is there.
func (s *scanner) frame(off int64) ([]byte, bool) {
	h := s.bytes(off, frameSize)
	if h == nil || binary.LittleEndian.Uint32(h) != s.marker {
		return nil, false
	}
	n := int64(binary.LittleEndian.Uint32(h[4:]))
	if n > maxPayload || n > s.end-off-frameSize {
		return nil, false
	}
	f := s.bytes(off, frameSize+int(n))
	if f == nil || binary.LittleEndian.Uint32(f[8:]) != checksum(f) {
		return nil, false
	}
	return f[frameSize:], true
}

// search finds the first whole frame at off or behind it.
func (s *scanner) search(off int64) (int64, bool) {
	var marker [4]byte
	binary.LittleEndian.PutUint32(marker[:], s.marker)
	for s.end-off >= frameSize {
		b := s.bytes(off, int(min(chunk, s.end-off)))
		if b == nil {
			return 0, false
		}
		for i := 0; ; i++ {
			found := bytes.Index(b[i:], marker[:])
			if found < 0 {
				break
			}
			i += found
			at := off + int64(i)
			if _, ok := s.frame(at); ok {
				return at, true
			}
			if b = s.bytes(off, len(b)); b == nil { // frame may have read elsewhere
				return 0, false
			}
		}
		off += int64(len(b)) - 3 // a marker may lie across two chunks
	}
	return 0, false
}

// bytes gives n bytes of the file, nil where there are fewer.
func (s *scanner) bytes(off int64, n int) []byte {
	if s.err != nil || int64(n) > s.end-off {
		return nil
	}
	if off < s.from || off+int64(n) > s.from+int64(len(s.buf)) {
		want := int(min(s.end-off, int64(max(n, chunk))))
		if cap(s.buf) < want {
			s.buf = make([]byte, want)
		}
		s.buf, s.from = s.buf[:want], off
		if _, err := s.f.ReadAt(s.buf, off); err != nil && err != io.EOF {
			s.buf, s.err = s.buf[:0], err
			return nil
		}
	}
	return s.buf[off-s.from:][:n]
}

package sinks

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"edge/engine"
)

// httpOut is an open HTTP sink.
type httpOut struct {
	client  *http.Client
	base    *url.URL // without user and password
	shown   string   // scheme and host, as errors may show them
	method  string
	format  string
	gzip    bool
	headers http.Header // that each request has
	auth    string      // the Authorization header; a message cannot have another
	secrets []string    // what a server may echo and nobody must see
	limit   int         // requests at one time

	pipe    pipeline
	jobs    chan job // nil: there are no workers yet
	workers sync.WaitGroup
	writers sync.Pool // of *gzip.Writer
}

const (
	longestRetryAfter = 5 * time.Minute
	mostOfABody       = 64 << 10 // read, so that the connection can be used again
	mostOfAnError     = 200
)

func (s *httpOut) Write(ctx context.Context, batch []*engine.Message, result []error) {
	if s.format != single {
		s.writeGroups(ctx, batch, result)
		return
	}
	s.pipe.limit, s.pipe.join = s.limit, true
	s.pipe.ended = make(chan end, s.limit)
	s.work()
	s.pipe.start = func(i int) error {
		m := batch[i]
		r, err := s.request(ctx, m, m.Payload, m.ID)
		if err != nil {
			return err
		}
		s.jobs <- job{i, r, s.pipe.ended}
		return nil
	}
	s.pipe.run(ctx, batch, result)
}

// A job is a request, and where its end is told.
type job struct {
	i     int
	r     *http.Request
	ended chan<- end
}

// work starts those who make requests, once. They stay, since a new goroutine's stack has to grow for each request.
func (s *httpOut) work() {
	if s.jobs != nil {
		return
	}
	s.jobs = make(chan job, s.limit)
	for range s.limit {
		s.workers.Go(func() {
			for j := range s.jobs {
				j.ended <- end{j.i, s.do(j.r)}
			}
		})
	}
}

// Close is called when no Write runs.
func (s *httpOut) Close() error {
	if s.jobs != nil {
		close(s.jobs)
		s.workers.Wait()
	}
	s.client.CloseIdleConnections()
	return nil
}

// request makes a request to the path and with the headers of m.
func (s *httpOut) request(ctx context.Context, m *engine.Message, body []byte, id string) (*http.Request, error) {
	u, err := s.address(m.Address)
	if err != nil {
		return nil, err
	}
	headers := s.headers.Clone()
	for _, h := range m.Headers {
		if err := checkHeader(h.Name, h.Value); err != nil {
			return nil, err
		}
		headers.Set(h.Name, h.Value)
	}
	if s.auth != "" {
		headers.Set("Authorization", s.auth)
	}
	if id != "" {
		if err := checkHeader("Idempotency-Key", id); err != nil {
			return nil, err
		}
		headers.Set("Idempotency-Key", id)
	}
	if s.gzip {
		headers.Set("Content-Encoding", "gzip")
		body = s.compress(body)
	}
	r, err := http.NewRequestWithContext(ctx, s.method, "", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.URL, r.Host, r.Header = u, u.Host, headers
	return r, nil
}

// address appends path to the sink's url. Whatever is in it stays in it: it is escaped, and cannot climb.
func (s *httpOut) address(path string) (*url.URL, error) {
	if path == "" {
		return s.base, nil
	}
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == "." || part == ".." {
			return nil, fmt.Errorf("%w: path %q has a part %q", engine.ErrRejected, path, part)
		}
	}
	if strings.IndexFunc(path, unicode.IsControl) >= 0 {
		return nil, fmt.Errorf("%w: path %q has a control character", engine.ErrRejected, path)
	}
	u := *s.base
	path = strings.TrimPrefix(path, "/")
	escaped := (&url.URL{Path: "/" + path}).EscapedPath()
	u.RawPath = strings.TrimSuffix(s.base.EscapedPath(), "/") + escaped
	u.Path = strings.TrimSuffix(s.base.Path, "/") + "/" + path
	return &u, nil
}

func (s *httpOut) compress(body []byte) []byte {
	var out bytes.Buffer
	w, _ := s.writers.Get().(*gzip.Writer)
	if w == nil {
		w, _ = gzip.NewWriterLevel(&out, gzip.BestSpeed)
	}
	w.Reset(&out)
	w.Write(body) // to memory: cannot fail
	w.Close()
	s.writers.Put(w)
	return out.Bytes()
}

// do sends r and says what its answer means.
func (s *httpOut) do(r *http.Request) error {
	answer, err := s.client.Do(r)
	if err != nil {
		return s.failed(r, err)
	}
	defer answer.Body.Close()
	code := answer.StatusCode
	if code/100 == 2 {
		io.Copy(io.Discard, io.LimitReader(answer.Body, mostOfABody))
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(answer.Body, mostOfABody))
	err = fmt.Errorf("%s %s%s: %s%s", s.method, s.shown, r.URL.EscapedPath(), statusText(code), s.excerpt(text))
	switch {
	case code/100 == 3:
		return fmt.Errorf("%w: a redirect to another host or with another method is not followed; mend the url", err)
	case code/100 == 4 && code != http.StatusRequestTimeout && code != http.StatusTooEarly &&
		code != http.StatusTooManyRequests:
		return fmt.Errorf("%w: %w", engine.ErrRejected, err)
	}
	if after, ok := retryAfter(answer.Header.Get("Retry-After"), time.Now()); ok {
		return &engine.RetryAfter{After: after, Err: err}
	}
	return err
}

// failed makes the error of a request that got no answer. The client's own error would show the query of the
// url, where some servers want their key.
func (s *httpOut) failed(r *http.Request, err error) error {
	if cause := context.Cause(r.Context()); cause != nil {
		return cause
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		if wrapped.Timeout() {
			err = fmt.Errorf("no answer within %s", s.client.Timeout)
		} else {
			err = wrapped.Err
		}
	}
	return &awayError{fmt.Errorf("%s %s%s: %w", s.method, s.shown, r.URL.EscapedPath(), err)}
}

func statusText(code int) string {
	if text := http.StatusText(code); text != "" {
		return fmt.Sprintf("%d %s", code, text)
	}
	return strconv.Itoa(code)
}

// excerpt is the beginning of an error's body, on one line and without our own secrets.
func (s *httpOut) excerpt(body []byte) string {
	text := strings.ToValidUTF8(string(body), "?")
	for _, secret := range s.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if text == "" {
		return ""
	}
	if len(text) > mostOfAnError {
		text = strings.ToValidUTF8(text[:mostOfAnError], "") + "…"
	}
	return ": " + text
}

// retryAfter reads a Retry-After header: seconds, or a date.
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	after := longestRetryAfter
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		if seconds < uint64(longestRetryAfter/time.Second) {
			after = time.Duration(seconds) * time.Second
		}
	} else if errors.Is(err, strconv.ErrRange) {
		return after, true
	} else if at, err := http.ParseTime(value); err == nil {
		after = at.Sub(now)
	} else {
		return 0, false
	}
	return min(max(after, 0), longestRetryAfter), true
}

// batchID makes of the ids of a batch, a line break between them, one id: "1" and "23" are not "12" and "3". Without
// an id of one there is none: the batch cannot be told from another.
func batchID(messages []*engine.Message) string {
	hash := sha256.New()
	for i, m := range messages {
		if m.ID == "" {
			return ""
		}
		if i > 0 {
			hash.Write([]byte{'\n'})
		}
		io.WriteString(hash, m.ID)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

package sinks

import (
	"fmt"
	"sort"
	"strings"

	"edge/engine"
	"edge/internal/strictyaml"
)

// checkHeader refuses what would end a header's line, and with it begin another or the body.
func checkHeader(name, value string) error {
	if !isToken(name) {
		return fmt.Errorf("%w: %q is no name for a header", engine.ErrRejected, name)
	}
	for i := 0; i < len(value); i++ {
		if b := value[i]; b < ' ' && b != '\t' || b == 0x7f {
			return fmt.Errorf("%w: the value of header %s has a control character", engine.ErrRejected, name)
		}
	}
	return nil
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		b := s[i]
		if b <= ' ' || b >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, b) >= 0 {
			return false
		}
	}
	return s != ""
}

// checkHeaders checks the headers of the settings. Values may be secrets, so they are not repeated.
func checkHeaders(headers map[string]string, pos func(string) strictyaml.Pos, errs *strictyaml.Errors) {
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if !isToken(name) {
			errs.Add(pos("headers"), "%q is no name for a header", name)
		} else if checkHeader(name, headers[name]) != nil {
			errs.Add(pos("headers"), "the value of header %s has a control character", name)
		}
	}
}

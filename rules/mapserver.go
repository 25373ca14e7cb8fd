package rules

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
	"edge/rules/geo"
)

// mapServer reads the map file of ROS's map_server that a frame names: its resolution and origin, and the height of
// its picture where the frame has none. It is not ours, so its other keys are not looked at.
func (s *setCompiler) mapServer(frame string, f *frameSpec, place *placedFrame, specs []loaded) *geo.MapServerSpec {
	if f.MapServer == "" {
		if f.Height != nil {
			s.errs.Add(place.at("height"), "frame %q: height is that of a map's picture, and there is no map_server", frame)
		}
		return nil
	}
	name := f.MapServer
	fail := func(pos strictyaml.Pos, format string, args ...any) *geo.MapServerSpec {
		s.errs.Add(pos, "frame %q: %s", frame, fmt.Sprintf(format, args...))
		return nil
	}
	data, err := s.tableFile(name, specs)
	if err != nil {
		return fail(place.at("map_server"), "%s %s", name, whatIsWrong(err))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return fail(strictyaml.Pos{File: name, Line: 1, Column: 1}, "not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return fail(strictyaml.Pos{File: name, Line: 1, Column: 1}, "a map file is a mapping with resolution, origin and image")
	}
	root := doc.Content[0]
	m := &geo.MapServerSpec{}
	resolution, origin := memberOf(root, "resolution"), memberOf(root, "origin")
	if resolution == nil || resolution.Decode(&m.Resolution) != nil || !(m.Resolution > 0) || m.Resolution-m.Resolution != 0 {
		return fail(positionIn(name, root, resolution), "resolution wants a number above 0: how many metres a pixel is")
	}
	if origin == nil || origin.Decode(&m.Origin) != nil || len(m.Origin) != 3 || m.Origin[0]+m.Origin[1]+m.Origin[2]-(m.Origin[0]+m.Origin[1]+m.Origin[2]) != 0 {
		return fail(positionIn(name, root, origin), "origin wants three numbers: x, y and yaw of the lower left corner of the picture")
	}
	if f.Height != nil {
		m.Height = *f.Height
		return m
	}
	image := memberOf(root, "image")
	if image == nil || image.Kind != yaml.ScalarNode || image.Value == "" {
		return fail(place.at("map_server"), "%s names no image, so the number of its rows is not known; add height:", name)
	}
	picture := image.Value
	if !filepath.IsAbs(picture) {
		picture = filepath.Join(filepath.Dir(name), picture)
	}
	data, err = s.tableFile(picture, nil)
	if err == nil {
		m.Height, err = rowsOf(data)
	}
	if err != nil {
		return fail(positionIn(name, root, image), "%s %s; add height: to the frame, the number of the picture's rows", picture, whatIsWrong(err))
	}
	return m
}

func positionIn(file string, root, n *yaml.Node) strictyaml.Pos {
	if n == nil {
		n = root
	}
	return strictyaml.PosOf(file, n)
}

// rowsOf reads the height out of the header of a PNG or PGM picture.
func rowsOf(data []byte) (int, error) {
	// PNG: signature, then the chunk IHDR with width and height.
	if bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) {
		if len(data) < 24 || string(data[12:16]) != "IHDR" {
			return 0, errors.New("is cut off")
		}
		return positive(uint64(binary.BigEndian.Uint32(data[20:24])))
	}
	if !bytes.HasPrefix(data, []byte("P5")) && !bytes.HasPrefix(data, []byte("P2")) {
		return 0, errors.New("is neither PNG nor PGM")
	}
	// PGM: width and height in white space, with comments.
	rest := data[2:]
	for word := 0; ; {
		rest = bytes.TrimLeft(rest, " \t\r\n")
		if bytes.HasPrefix(rest, []byte("#")) {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				return 0, errors.New("is cut off")
			}
			rest = rest[end:]
			continue
		}
		end := bytes.IndexAny(rest, " \t\r\n")
		if end < 0 {
			return 0, errors.New("is cut off")
		}
		if word++; word == 2 {
			n, err := strconv.ParseUint(string(rest[:min(end, 20)]), 10, 32)
			if err != nil {
				return 0, errors.New("has a header that is no PGM's")
			}
			return positive(n)
		}
		rest = rest[end:]
	}
}

func positive(n uint64) (int, error) {
	if n == 0 || n > 1<<31-1 {
		return 0, fmt.Errorf("has %d rows", n)
	}
	return int(n), nil
}

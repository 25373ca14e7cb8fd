package rules

import (
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"edge/internal/strictyaml"
	"edge/rules/geo"
)

// A frameNode is a frame as it stands in the file: whether it is a template shows only with its name.
type frameNode struct {
	loader *strictyaml.Loader
	file   string
	node   *yaml.Node
}

func (f *frameNode) DecodeNode(l *strictyaml.Loader, file string, n *yaml.Node, _ *strictyaml.Errors) {
	f.loader, f.file, f.node = l, file, n
}

// A frameSpec is what a frame may have.
type frameSpec struct {
	Parent        string             `yaml:"parent"`
	Translation   []float64          `yaml:"translation"`
	Rotation      *rotationSpec      `yaml:"rotation"`
	Scale         *float64           `yaml:"scale"`
	Matrix        []float64          `yaml:"matrix"`
	Direction     string             `yaml:"direction"`
	Axes          []string           `yaml:"axes"`
	ControlPoints *controlPointsSpec `yaml:"control_points"`
	MapServer     string             `yaml:"map_server,path"`
	Height        *int               `yaml:"height"`
	CRS           string             `yaml:"crs"`
	Origin        *originSpec        `yaml:"origin"`
}

type rotationSpec struct {
	YawDeg     *float64  `yaml:"yaw_deg"`
	Yaw        *float64  `yaml:"yaw"`
	RPYDeg     []float64 `yaml:"rpy_deg"`
	Quaternion []float64 `yaml:"quaternion"`
}

type originSpec struct {
	Lon *float64 `yaml:"lon,required"`
	Lat *float64 `yaml:"lat,required"`
	H   *float64 `yaml:"h"`
}

type controlPointsSpec struct {
	Method  string             `yaml:"method,required"`
	MaxRMSE *float64           `yaml:"max_rmse"`
	Points  []controlPointSpec `yaml:"points,required"`
}

type controlPointSpec struct {
	From []float64 `yaml:"from,required"`
	To   []float64 `yaml:"to,required"`
}

// spec is the frame without the file it stands in.
func (f *frameSpec) spec(name string) geo.FrameSpec {
	spec := geo.FrameSpec{Name: name, Parent: f.Parent, Translation: f.Translation, Scale: f.Scale, Matrix: f.Matrix, Direction: f.Direction,
		Axes: f.Axes, CRS: f.CRS}
	if r := f.Rotation; r != nil {
		spec.Rotation = &geo.RotationSpec{YawDeg: r.YawDeg, Yaw: r.Yaw, RPYDeg: r.RPYDeg, Quaternion: r.Quaternion}
	}
	if o := f.Origin; o != nil {
		spec.Origin = &geo.OriginSpec{Lon: o.Lon, Lat: o.Lat, H: o.H}
	}
	if c := f.ControlPoints; c != nil {
		spec.ControlPoints = &geo.ControlPointsSpec{Method: c.Method, MaxRMSE: c.MaxRMSE}
		for _, p := range c.Points {
			spec.ControlPoints.Points = append(spec.ControlPoints.Points, geo.ControlPoint{From: p.From, To: p.To})
		}
	}
	return spec
}

// A placedFrame is where a frame stands, for what is wrong with it among all others.
type placedFrame struct {
	file string
	name strictyaml.Pos
	node *yaml.Node
}

// at is the place of a key, such as rotation.quaternion or control_points.points.2, or else of the frame's name.
func (p *placedFrame) at(key string) strictyaml.Pos {
	n := p.node
	if key == "" {
		return p.name
	}
	for part := range strings.SplitSeq(key, ".") {
		next := memberOf(n, part)
		if i, err := strconv.Atoi(part); err == nil && n.Kind == yaml.SequenceNode && i < len(n.Content) {
			next = n.Content[i]
		}
		if next == nil {
			break
		}
		n = next
	}
	if n == p.node {
		return p.name
	}
	return strictyaml.PosOf(p.file, n)
}

// loadFrames makes one forest of the frames of all files.
func (s *setCompiler) loadFrames(specs []loaded) {
	var frames []geo.FrameSpec
	at := map[string]*placedFrame{}
	for _, l := range specs {
		for _, entry := range l.spec.Frames {
			for _, one := range s.expandFrame(&entry) {
				if !s.claim("frame", one.name, entry.Pos) {
					continue
				}
				place := &placedFrame{entry.Value.file, entry.Pos, one.node}
				at[one.name] = place
				spec := geo.FrameSpec{Name: one.name}
				if one.node != nil {
					var f frameSpec
					before := len(*s.errs)
					entry.Value.loader.Decode(entry.Value.file, one.node, &f, s.errs)
					spec = f.spec(one.name)
					if len(*s.errs) == before {
						spec.MapServer = s.mapServer(one.name, &f, place, specs)
					}
					if len(*s.errs) > before { // what is wrong is said; its name and parent serve the others
						spec = geo.FrameSpec{Name: one.name, Parent: f.Parent}
					}
				}
				frames = append(frames, spec)
			}
		}
	}
	if at[lonLatFrame] == nil { // where zones of GeoJSON lie
		frames = append(frames, geo.FrameSpec{Name: lonLatFrame, CRS: lonLatFrame})
	}
	var problems []geo.Problem
	s.frames, problems = geo.NewFrames(frames)
	for _, problem := range problems {
		pos := s.things[problem.Frame].pos
		if place := at[problem.Frame]; place != nil {
			pos = place.at(problem.Key)
		}
		s.errs.Add(pos, "frame %q: %s", problem.Frame, problem.Message)
	}
}

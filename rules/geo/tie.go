package geo

import "math"

// A tie is what joins a root, and all frames of its tree, to the earth: a coordinate reference system, or a
// plane at an origin. Two trees with ties have a way between them.
type tie struct {
	crs  *CRS
	name string // of crs

	// Of a plane: crs is the geocentric one, and these lead there and back. They fold into the frames' own
	// affine steps.
	plane    bool
	to, from Affine
	height   float64 // of the origin
}

// earthCentred is the system of x, y, z from the middle of the earth, which planes are turned pieces of.
const earthCentred = "EPSG:4978"

// tie checks what joins a root to the earth; nil where nothing does.
func (c *check) tie(s *FrameSpec) *tie {
	switch {
	case s.CRS != "":
		crs, err := LookupCRS(s.CRS)
		if err != nil {
			c.add("crs", "%s", err)
			return nil
		}
		return &tie{crs: crs, name: crs.Name(), to: identity, from: identity}
	case s.Origin != nil:
		return c.plane(s.Origin)
	}
	return nil
}

// plane is the topocentric frame at an origin (EPSG method 9837): the rotation of IOGP 373-7-2 about the origin's
// place in geocentric coordinates.
func (c *check) plane(o *OriginSpec) *tie {
	ok := true
	h := 0.0
	for _, k := range []struct {
		name  string
		value *float64
		limit float64
	}{{"lon", o.Lon, 180}, {"lat", o.Lat, 90}, {"h", o.H, 1e8}} {
		key := "origin." + k.name
		switch {
		case k.value == nil && k.name != "h":
			c.add("origin", "origin has no %s; write origin: {lon, lat, h}, in degrees and metres", k.name)
			ok = false
		case k.value == nil:
		case !c.numbers(key, []float64{*k.value}, "", 1):
			ok = false
		case math.Abs(*k.value) > k.limit:
			hint := ""
			if k.name == "lat" {
				hint = " (lon and lat swapped?)"
			}
			c.add(key, "%s %g is outside -%g..%g%s", k.name, *k.value, k.limit, k.limit, hint)
			ok = false
		case k.name == "h":
			h = *k.value
		}
	}
	if !ok {
		return nil
	}
	crs, err := LookupCRS(earthCentred)
	if err != nil {
		c.add("origin", "%s", err)
		return nil
	}
	x, y, z, err := crs.FromGeodetic(*o.Lon, *o.Lat, h)
	if err != nil {
		c.add("origin", "%s", err)
		return nil
	}
	sl, cl := sincosDeg(*o.Lon)
	sp, cp := sincosDeg(*o.Lat)
	to := Affine{
		-sl, -sp * cl, cp * cl, x,
		cl, -sp * sl, cp * sl, y,
		0, cp, sp, z,
	}
	from, _ := to.Inverse()
	return &tie{crs: crs, name: crs.Name(), plane: true, to: to, from: from, height: h}
}

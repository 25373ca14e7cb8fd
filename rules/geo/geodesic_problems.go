package geo

import "math"

// direct solves the direct problem for numbers that were checked, by Newton's method on the length.
func direct(lon1, lat1, azimuth, metres float64) (lon2, lat2, azimuth2 float64) {
	alpha1 := directionOf(azimuth)
	beta1, _ := reducedLatitude(lat1)
	sin0 := alpha1.sin * beta1.cos
	a := arc{alpha0: direction{sin0, math.Hypot(alpha1.cos, alpha1.sin*beta1.sin)}, from: towards(beta1.sin, alpha1.cos*beta1.cos)}
	a.k2 = secondEcc2 * a.alpha0.cos * a.alpha0.cos

	omega1 := direction{sin0 * a.from.sin, a.from.cos} // the longitude on the sphere
	a.sigma = metres / (minor * a.stretch(a.from))
	lag := 0.0
	if math.Abs(a.sigma) > 3 { // half turns come off: all have the same length and lag, and lead to the opposite place
		half := a
		half.to, half.sigma = direction{-a.from.sin, -a.from.cos}, math.Pi
		half.measure()
		turns := math.Round(metres / half.metres())
		metres = math.FMA(-turns, minor*math.Pi, metres) - turns*minor*math.Pi*half.w
		lag = turns * half.lag()
		if math.Mod(turns, 2) != 0 {
			a.from = half.to
		}
		a.sigma = metres / half.metres() * math.Pi
	}
	for {
		sin, cos := math.Sincos(a.sigma)
		a.to = a.from.plus(direction{sin, cos})
		a.measure()
		step := (metres - a.metres()) / (minor * a.stretch(a.to))
		a.sigma += step
		if math.Abs(step) < 1e-10 { // it was quadratic: the next would be 1e-22
			break
		}
	}
	sin, cos := math.Sincos(a.sigma)
	a.to = a.from.plus(direction{sin, cos})

	lambda := omega1.turn(direction{sin0 * a.to.sin, a.to.cos}) - a.lag() - lag
	lon2 = math.Remainder(lon1+math.Remainder(lambda/radian, 360), 360)
	beta2 := direction{a.alpha0.cos * a.to.sin, math.Hypot(sin0, a.alpha0.cos*a.to.cos)}
	lat2 = direction{beta2.sin, (1 - flattening) * beta2.cos}.degrees()
	return lon2, lat2, direction{sin0, a.alpha0.cos * a.to.cos}.degrees()
}

// inverse solves the inverse problem for points that were checked. By swapping points and by reflection it is brought
// to one case: point 1 is the one farther from the equator, in the south, and point 2 is in the east.
func inverse(lon1, lat1, lon2, lat2 float64) (metres float64, alpha1, alpha2 direction) {
	east, south, swapped := 1.0, 1.0, 1.0
	lon := lon2 - lon1
	if math.Abs(lon) > 180 { // over the antimeridian, from where no digit is lost
		lon = -math.Copysign((180-math.Abs(lon1))+(180-math.Abs(lon2)), lon2)
	}
	if lon < 0 {
		lon, east = -lon, -1
	}
	if math.Abs(lat1) < math.Abs(lat2) {
		lat1, lat2, swapped = lat2, lat1, -1
	}
	if lat1 >= 0 {
		lat1, lat2, south = -lat1, -lat2, -1
	}
	c := course{lambda: directionOf(lon), lon: lon * radian}
	var r1, r2 float64
	c.beta1, r1 = reducedLatitude(lat1)
	c.beta2, r2 = reducedLatitude(lat2)
	sin, _ := sincosDeg(lat2 - lat1)
	c.north = (1 - flattening) * sin / (r1 * r2)
	metres, alpha1, alpha2 = c.solve()
	if swapped < 0 {
		alpha1, alpha2 = alpha2, alpha1
	}
	alpha1.sin, alpha2.sin = alpha1.sin*east, alpha2.sin*east // swapping turns both ways round, and east for west
	alpha1.cos, alpha2.cos = alpha1.cos*south*swapped, alpha2.cos*south*swapped
	return metres, alpha1, alpha2
}

// A course is an inverse problem in its simple case: beta1 <= 0, |beta2| <= -beta1, lambda from 0 to pi.
type course struct {
	beta1, beta2, lambda direction
	lon, north           float64 // lambda in radians, and the sine of beta2 - beta1, with all their digits near 0
}

// shortArc is the arc in radians, 319 m, up to which the guess is the answer. Its error grows with the cube: 0.4 nm
// there, 3.3 um at 6.4 km.
const shortArc = 5e-5

func (c *course) solve() (metres float64, alpha1, alpha2 direction) {
	alpha1, alpha2, w, sigma := c.guess()
	switch pole := c.beta1.cos == atPole; {
	case sigma < shortArc && !pole:
		return earthA * w * sigma, alpha1, alpha2
	case c.lambda.sin == 0 || pole: // along a meridian, which may not be the shortest way to its other side
		a := arc{alpha0: direction{0, 1}, k2: secondEcc2, from: towards(c.beta1.sin, c.lambda.cos*c.beta1.cos), to: c.beta2}
		a.sigma = math.Abs(a.from.turn(a.to))
		a.measure()
		if a.reducedLength() >= 0 || a.sigma < shortArc {
			return a.metres(), c.lambda, direction{0, 1}
		}
	case c.beta1.sin == 0 && c.lon <= (1-flattening)*math.Pi: // along the equator
		return earthA * c.lon, direction{1, 0}, direction{1, 0}
	}
	return c.search(alpha1)
}

// guess is the great circle on the sphere that fits at the mean latitude, of radius w times the major axis.
func (c *course) guess() (alpha1, alpha2 direction, w, sigma float64) {
	mean := (c.beta1.cos + c.beta2.cos) / 2
	w = math.Sqrt(1 - eccentricity2*mean*mean)
	omega := min(c.lon/w, math.Pi)
	sin, cos := math.Sincos(omega)
	half := math.Sin(omega / 2)
	// With the cosines taken apart, so that nothing cancels between points that are near each other.
	first := direction{c.beta2.cos * sin, c.north + 2*c.beta1.sin*c.beta2.cos*half*half}
	second := direction{c.beta1.cos * sin, c.north - 2*c.beta1.cos*c.beta2.sin*half*half}
	sigma = math.Atan2(math.Hypot(first.sin, first.cos), c.beta1.sin*c.beta2.sin+c.beta1.cos*c.beta2.cos*cos)
	if sigma > 3.1 { // to the other side of the earth every direction is as good
		return direction{1, 0}, direction{1, 0}, w, sigma
	}
	return towards(first.sin, first.cos), towards(second.sin, second.cos), w, sigma
}

// search finds the azimuth alpha1 at which the geodesic meets the parallel of point 2 at its longitude, by Newton's
// method (section 4). Between 0 and pi there is one; below it that longitude is too small, above it too large. So a
// step that leaves the range which is known to hold it is replaced by halving that range.
func (c *course) search(alpha1 direction) (metres float64, _, alpha2 direction) {
	low, high := direction{0, 1}, direction{0, -1}
	for last, i := 1.0, 0; ; i++ {
		var a arc
		a, alpha2 = c.arc(alpha1)
		omega1, omega2 := direction{a.alpha0.sin * c.beta1.sin, alpha1.cos * c.beta1.cos}, direction{a.alpha0.sin * c.beta2.sin, alpha2.cos * c.beta2.cos}
		// By how much the longitude is too large, with angles taken from each other before they are rounded.
		over := towards(max(0, float64(omega1.cos*omega2.sin)-float64(omega1.sin*omega2.cos)), omega1.cos*omega2.cos+omega1.sin*omega2.sin)
		excess := c.lambda.turn(over) - a.lag()
		slope := a.reducedLength() / (earthA * alpha2.cos * c.beta2.cos)
		if alpha2.cos == 0 {
			slope = -2 * math.Sqrt(1-eccentricity2*c.beta1.cos*c.beta1.cos) / c.beta1.sin // its limit
		}
		const rounding = 0x1p-52
		size := math.Abs(excess)
		if i == 100 || slope > 0 && (size <= rounding || size <= 8*rounding && size >= last) {
			return a.metres(), alpha1, alpha2
		}
		last = size
		if excess > 0 {
			high = alpha1
		} else {
			low = alpha1
		}
		sin, cos := math.Sincos(-excess / slope)
		next := alpha1.plus(direction{sin, cos})
		if !(slope > 0 && math.Abs(excess/slope) < 1 && low.before(next) && next.before(high)) {
			next = direction{low.sin + high.sin, low.cos + high.cos}
			if next == (direction{}) {
				next = direction{1, 0}
			}
		}
		alpha1 = towards(next.sin, next.cos)
	}
}

// before tells whether d is less than e, of two directions within half a turn.
func (d direction) before(e direction) bool { return d.cos*e.sin-d.sin*e.cos > 0 }

// arc is the geodesic that leaves point 1 at alpha1, up to where it comes to the latitude of point 2 on its way north.
func (c *course) arc(alpha1 direction) (a arc, alpha2 direction) {
	a.alpha0 = direction{alpha1.sin * c.beta1.cos, math.Hypot(alpha1.cos, alpha1.sin*c.beta1.sin)}
	a.k2 = secondEcc2 * a.alpha0.cos * a.alpha0.cos
	// d is cos(beta2)^2 - cos(beta1)^2, by the smaller of sine and cosine, which has more digits.
	d := (c.beta1.sin - c.beta2.sin) * (c.beta1.sin + c.beta2.sin)
	if c.beta1.cos < -c.beta1.sin {
		d = (c.beta2.cos - c.beta1.cos) * (c.beta2.cos + c.beta1.cos)
	}
	alpha2.cos = math.Sqrt(max(0, alpha1.cos*c.beta1.cos*(alpha1.cos*c.beta1.cos)+d)) / c.beta2.cos
	alpha2.sin = a.alpha0.sin / c.beta2.cos
	a.from = towards(c.beta1.sin, alpha1.cos*c.beta1.cos)
	a.to = towards(c.beta2.sin, alpha2.cos*c.beta2.cos)
	a.sigma = math.Atan2(max(0, float64(a.from.cos*a.to.sin)-float64(a.from.sin*a.to.cos)), a.from.cos*a.to.cos+a.from.sin*a.to.sin)
	a.measure()
	return a, alpha2
}

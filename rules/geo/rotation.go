package geo

import "math"

// YawOf is the yaw of a quaternion (x, y, z, w): the direction of the body's x axis seen from above, in
// radians from -pi (left out) to pi. Where that axis points straight up or down the roll is taken as 0. The quaternion
// may have any length but 0.
func YawOf(q [4]float64) float64 {
	x, y, z, w := q[0], q[1], q[2], q[3]
	east, north := w*w+x*x-y*y-z*z, 2*(x*y+w*z)
	if n := w*w + x*x + y*y + z*z; math.Hypot(east, north) < 1e-9*n {
		return wrap(2 * math.Atan2(z, w))
	}
	return wrap(math.Atan2(north, east))
}

// QuaternionFromRPY is the quaternion (x, y, z, w) of a roll about x, then a pitch about y, then a yaw about
// z, in radians about fixed axes: R = Rz(yaw) Ry(pitch) Rx(roll), as tf2's setRPY.
func QuaternionFromRPY(roll, pitch, yaw float64) [4]float64 {
	sr, cr := math.Sincos(roll / 2)
	sp, cp := math.Sincos(pitch / 2)
	sy, cy := math.Sincos(yaw / 2)
	return [4]float64{
		sr*cp*cy - cr*sp*sy,
		cr*sp*cy + sr*cp*sy,
		cr*cp*sy - sr*sp*cy,
		cr*cp*cy + sr*sp*sy,
	}
}

// rpyMatrix is Rz Ry Rx of angles in degrees.
func rpyMatrix(roll, pitch, yaw float64) Affine {
	sr, cr := sincosDeg(roll)
	sp, cp := sincosDeg(pitch)
	sy, cy := sincosDeg(yaw)
	return Affine{
		cy * cp, cy*sp*sr - sy*cr, cy*sp*cr + sy*sr, 0,
		sy * cp, sy*sp*sr + cy*cr, sy*sp*cr - cy*sr, 0,
		-sp, cp * sr, cp * cr, 0,
	}
}

// yawMatrix turns counter-clockwise about z by the angle with this sine and cosine.
func yawMatrix(sin, cos float64) Affine {
	return Affine{cos, -sin, 0, 0, sin, cos, 0, 0, 0, 0, 1, 0}
}

// quaternionMatrix is the rotation of a quaternion of length 1.
func quaternionMatrix(q [4]float64) Affine {
	x, y, z, w := q[0], q[1], q[2], q[3]
	return Affine{
		1 - 2*(y*y+z*z), 2 * (x*y - w*z), 2 * (x*z + w*y), 0,
		2 * (x*y + w*z), 1 - 2*(x*x+z*z), 2 * (y*z - w*x), 0,
		2 * (x*z - w*y), 2 * (y*z + w*x), 1 - 2*(x*x+y*y), 0,
	}
}

// quaternionOf is the quaternion of a rotation matrix, with w >= 0. Of the four ways to get it, the one with
// the largest divisor is taken, so that none of the digits are lost near half a turn (Shepperd 1978).
func quaternionOf(m *Affine) [4]float64 {
	var q [4]float64
	t := [4]float64{m[0], m[5], m[10], m[0] + m[5] + m[10]}
	big := 3
	for i := range 3 {
		if t[i] > t[big] {
			big = i
		}
	}
	switch big {
	case 3:
		q = [4]float64{m[9] - m[6], m[2] - m[8], m[4] - m[1], 1 + t[3]}
	case 0:
		q = [4]float64{1 + m[0] - m[5] - m[10], m[4] + m[1], m[2] + m[8], m[9] - m[6]}
	case 1:
		q = [4]float64{m[4] + m[1], 1 - m[0] + m[5] - m[10], m[9] + m[6], m[2] - m[8]}
	case 2:
		q = [4]float64{m[2] + m[8], m[9] + m[6], 1 - m[0] - m[5] + m[10], m[4] - m[1]}
	}
	n := quaternionLength(q)
	if q[3] < 0 {
		n = -n
	}
	for i := range q {
		q[i] /= n
	}
	return q
}

// quaternionMul is the turn b followed by the turn a.
func quaternionMul(a, b [4]float64) [4]float64 {
	return [4]float64{
		a[3]*b[0] + a[0]*b[3] + a[1]*b[2] - a[2]*b[1],
		a[3]*b[1] - a[0]*b[2] + a[1]*b[3] + a[2]*b[0],
		a[3]*b[2] + a[0]*b[1] - a[1]*b[0] + a[2]*b[3],
		a[3]*b[3] - a[0]*b[0] - a[1]*b[1] - a[2]*b[2],
	}
}

func quaternionLength(q [4]float64) float64 {
	return math.Sqrt(q[0]*q[0] + q[1]*q[1] + q[2]*q[2] + q[3]*q[3])
}

// sincosDeg is exact at multiples of 30 and 45 degrees: a floor plan turned by 90 keeps its round numbers,
// where cos(pi/2) would leave 6e-17 of them.
func sincosDeg(deg float64) (sin, cos float64) {
	r := math.Remainder(deg, 360)
	quarter := math.Round(r / 90)
	r -= 90 * quarter
	switch math.Abs(r) {
	case 0:
		sin, cos = 0, 1
	case 30:
		sin, cos = math.Copysign(0.5, r), math.Sqrt(3)/2
	case 45:
		sin, cos = math.Copysign(math.Sqrt2/2, r), math.Sqrt2/2
	default:
		sin, cos = math.Sincos(r * (math.Pi / 180))
	}
	switch int(quarter) & 3 {
	case 1:
		sin, cos = cos, -sin
	case 2:
		sin, cos = -sin, -cos
	case 3:
		sin, cos = -cos, sin
	}
	return sin, cos
}

// wrap brings an angle into the half turn on both sides of 0, -pi left out.
func wrap(yaw float64) float64 {
	if yaw > -math.Pi && yaw <= math.Pi {
		return yaw
	}
	yaw = math.Remainder(yaw, 2*math.Pi)
	if yaw <= -math.Pi {
		yaw = math.Pi
	}
	return yaw
}

package geo

import "math"

// direct solves the direct problem for numbers that were checked, ported from GeographicLib: see geodesic.go for its
// licence. Latitude comes first, as in the original.
func direct(lat1, lon1, azi1, s12 float64) (lon2, lat2, azi2 float64) {
	salp1, calp1 := sincosDegPlus(roundAngle(normalizeAngle(azi1)), 0)
	sbet1, cbet1 := reduced(roundAngle(lat1))

	// alp0 is the azimuth at the equator, in [0, pi/2 - |bet1|].
	salp0 := salp1 * cbet1
	calp0 := math.Sqrt(calp1*calp1 + salp1*sbet1*(salp1*sbet1))
	// sig is measured from the nearest northward crossing of the equator, omg is the longitude on the auxiliary sphere.
	ssig1, somg1 := sbet1, salp0*sbet1
	csig1 := 1.0
	if sbet1 != 0 || calp1 != 0 {
		csig1 = cbet1 * calp1
	}
	comg1 := csig1
	ssig1, csig1 = normalize(ssig1, csig1)
	eps := epsOf(calp0 * calp0 * geod.ep2)

	// The distance series, reverted: from tau to sig.
	ca, cp := c1(eps), c1p(eps)
	b11 := sineSeries(ssig1, csig1, ca[:])
	s, c := math.Sincos(b11)
	stau1, ctau1 := ssig1*c+csig1*s, csig1*c-ssig1*s
	tau12 := s12 / (geod.b * (1 + a1m1(eps)))
	s, c = math.Sincos(tau12)
	b12 := -sineSeries(stau1*c+ctau1*s, ctau1*c-stau1*s, cp[:])
	sig12 := tau12 - (b12 - b11)
	ssig12, csig12 := math.Sincos(sig12)

	ssig2, csig2 := ssig1*csig12+csig1*ssig12, csig1*csig12-ssig1*ssig12
	sbet2 := calp0 * ssig2
	cbet2 := math.Sqrt(salp0*salp0 + calp0*csig2*(calp0*csig2))
	if cbet2 == 0 { // salp0 = 0, csig2 = 0: break the degeneracy
		cbet2, csig2 = tiny, tiny
	}
	// Longitude.
	somg2, comg2 := salp0*ssig2, csig2
	omg12 := math.Atan2(somg2*comg1-comg2*somg1, comg2*comg1+somg2*somg1)
	c3 := geod.series3(eps)
	b31, b32 := sineSeries(ssig1, csig1, c3[:]), sineSeries(ssig2, csig2, c3[:])
	lam12 := omg12 - geod.f*salp0*geod.scale3(eps)*(sig12+(b32-b31))
	lon2 = normalizeAngle(normalizeAngle(lon1) + normalizeAngle(lam12/radian))
	return lon2, atan2Deg(sbet2, geod.f1*cbet2), atan2Deg(salp0, calp0*csig2)
}

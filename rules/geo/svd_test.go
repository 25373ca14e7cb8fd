package geo

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// Singular values as another implementation has them, and factors that give the matrix back, also where columns are
// of very different lengths, nearly parallel, or zero.
func TestDecompose(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		columns, rows := 2+round%2, 3+random.IntN(8)
		a, flat := make([][3]float64, rows), make([]float64, 0, 3*rows)
		for i := range a {
			for k := range columns {
				a[i][k] = random.NormFloat64() * math.Pow(10, float64((round>>1)%5*k))
			}
			switch round % 7 {
			case 0:
				a[i][1] = a[i][0] + 1e-9*a[i][1]
			case 1:
				a[i][1] = 0
			}
			flat = append(flat, a[i][:columns]...)
		}
		d := decompose(a, columns)
		var want mat.SVD
		if !want.Factorize(mat.NewDense(rows, columns, flat), mat.SVDNone) {
			t.Fatal("no values")
		}
		for k, s := range want.Values(nil) {
			if math.Abs(d.s[k]-s) > 1e-13*d.s[0] {
				t.Errorf("round %d: singular value %d is %g, want %g", round, k, d.s[k], s)
			}
		}
		for i := range a {
			for k := range columns {
				back := 0.0
				for j := range columns {
					back += d.us[i][j] * d.v[j][k]
				}
				if math.Abs(back-a[i][k]) > 1e-13*d.s[0] {
					t.Errorf("round %d: %g of %g", round, back, a[i][k])
				}
			}
		}
		for p := range columns {
			for q := range columns {
				dot := d.v[p][0]*d.v[q][0] + d.v[p][1]*d.v[q][1] + d.v[p][2]*d.v[q][2]
				if want := map[bool]float64{true: 1}[p == q]; math.Abs(dot-want) > 1e-14 {
					t.Errorf("round %d: V is not orthogonal: %g", round, dot)
				}
			}
		}
	}
}

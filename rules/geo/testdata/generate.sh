#!/usr/bin/env bash
# Makes the golden values of this folder with PROJ and GeographicLib, so that tests need neither:
#   apt-get install proj-bin geographiclib-tools     (PROJ 9.1.1 and GeographicLib 2.1.2 made what is committed)
# The points are from a generator of its own, so that each run makes the same files.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C

# points SEED COUNT BODY: awk code run COUNT times, with i, uniform(a, b) and log-uniform scale(a, b).
points() {
  awk -v seed="$1" -v count="$2" '
    function next01() { seed = seed * 16807 % 2147483647; return seed / 2147483647 }
    function uniform(a, b) { return a + (b - a) * next01() }
    function scale(a, b) { return a * exp(log(b / a) * next01()) }
    function pick(list,   p, n) { n = split(list, p, " "); return p[int(n * next01()) + 1] }
    BEGIN { for (i = 0; i < 20; i++) next01(); for (i = 0; i < count; i++) { '"$3"' } }' </dev/null
}

# Transverse Mercator: code lon lat easting northing, with the definition that PROJ has for the code. Each grid gets
# points in its zone, up to 6 and up to 30 degrees off.
grids() {
  local code seed=0 definition meridian
  for code in {32601..32660} {32701..32760} {25828..25838} {4491..4554}; do
    seed=$((seed + 7919))
    definition=$(projinfo "EPSG:$code" -o PROJ -q | sed 's/ +type=crs//; s/ +towgs84=[0,]*//') # with towgs84, cct goes by way of WGS84's ellipsoid: 0.1 mm
    meridian=$(awk '{ for (i = 1; i <= NF; i++) { if ($i ~ /^\+lon_0=/) m = substr($i, 8); if ($i ~ /^\+zone=/) m = 6 * substr($i, 7) - 183 } print m }' <<<"$definition")
    points $seed 9 'w = i < 5 ? 3 : i < 7 ? 6 : 29.99
      lon = '"$meridian"' + uniform(-w, w); lat = i == 4 ? pick("0 90 -90 89.9999 -89.9999 84 -80 0.000001") : uniform(-89, 89)
      if (lon > 180) lon -= 360; if (lon < -180) lon += 360
      printf "%.6f %.6f\n", lon, lat' >/tmp/geo.in
    awk '{ print $1, $2, 0, 0 }' /tmp/geo.in | cct -d 9 $definition | awk '{ print $1, $2 }' | paste -d' ' /tmp/geo.in - | sed "s/^/$code /"
  done
}

# Transverse Mercator by elliptic functions: off lat x y, on UTM's scale without its false easting.
exact() {
  points 4711 250 'lat = i % 10 == 0 ? pick("0 89.99999 -89.99999 45 0.000000001") : uniform(-90, 90); printf "%.7f %.7f\n", uniform(-29.99, 29.99), lat' >/tmp/geo.in
  awk '{ print $2, $1 }' /tmp/geo.in | TransverseMercatorProj -l 0 -p 9 | awk '{ print $1, $2 }' | paste -d' ' /tmp/geo.in -
}

# Web Mercator: lon lat x y.
mercator() {
  { printf '0 0\n180 85.06\n-180 -85.06\n12 89.9\n12 -89.999\n45 1e-9\n'
    points 99 150 'printf "%.7f %.7f\n", uniform(-180, 180), uniform(-89, 89)'; } >/tmp/geo.in
  awk '{ print $1, $2, 0, 0 }' /tmp/geo.in | cct -d 9 +proj=webmerc +ellps=WGS84 | awk '{ print $1, $2 }' | paste -d' ' /tmp/geo.in -
}

# ECEF: lon lat h x y z, from under the sea to the height of geostationary satellites.
ecef() {
  { printf '0 0 0\n90 0 0\n180 0 0\n-90 45 0\n0 90 0\n0 -90 100\n77 89.9999999 500\n-13 -89.99999 36000000\n'
    points 3 300 'h = i % 3 == 0 ? uniform(-11000, 9000) : scale(100, 3.6e7); printf "%.7f %.7f %.3f\n", uniform(-180, 180), uniform(-90, 90), h'; } >/tmp/geo.in
  awk '{ print $0, 0 }' /tmp/geo.in | cct -d 9 +proj=cart +ellps=WGS84 | awk '{ print $1, $2, $3 }' | paste -d' ' /tmp/geo.in -
}

# The way back from any place: x y z lat lon h, also deep in the earth and near its axis.
deep() {
  { printf '0 0 0\n1 0 0\n0 0 1\n0 0 -1\n42000 0 0\n43000 0 0\n0 42000 10\n100 200 -6356752\n0.000001 0 6400000\n-1e-9 0 7000000\n1e7 1e-9 1e-9\n'
    points 5 150 'r = i % 3 == 0 ? scale(1, 1e6) : scale(1e5, 6e7); a = uniform(-3.2, 3.2); b = i % 5 == 0 ? uniform(1.5707, 1.5708) : uniform(-1.57, 1.57)
      printf "%.6f %.6f %.6f\n", r * cos(a) * cos(b), r * sin(a) * cos(b), r * sin(b)'; } >/tmp/geo.in
  CartConvert -r -p 9 </tmp/geo.in | paste -d' ' /tmp/geo.in -
}

# ENU: lon lat h of the origin, lon lat h of the point, e n u.
enu() {
  local o i=0
  for o in "117.227239 31.820587 35" "0 0 0" "180 -45 1000" "-70 89.9999 10" "10 90 0" "-179.9 -90 5" "-74 40.7 -30" "13.4 52.5 34"; do
    set -- $o
    i=$((i + 1))
    points $((i * 31)) 20 'd = i % 2 ? scale(1e-4, 1) : scale(1e-6, 60)
      lon = '"$1"' + uniform(-d, d); lat = '"$2"' + uniform(-d, d); if (lat > 90) lat = 180 - lat; if (lat < -90) lat = -180 - lat
      if (lon > 180) lon -= 360; if (lon < -180) lon += 360
      printf "%.8f %.8f %.3f\n", lon, lat, uniform(-100, 12000)' >/tmp/geo.in
    awk '{ print $0, 0 }' /tmp/geo.in | cct -d 9 +proj=pipeline +step +proj=cart +ellps=WGS84 +step +proj=topocentric +ellps=WGS84 +lon_0=$1 +lat_0=$2 +h_0=$3 |
      awk '{ print $1, $2, $3 }' | paste -d' ' /tmp/geo.in - | sed "s/^/$o /"
  done
}

# Geodesics, inverse: lat1 lon1 lat2 lon2 azimuth1 azimuth2 metres.
inverse() {
  { # at the poles, on a meridian, on the equator, at one place, over the antimeridian
    printf '%s\n' "90 0 -90 0" "90 0 -90 77" "90 0 90 180" "-90 5 -90 -5" "90 0 10 20" "10 20 -90 0" "0 0 0 0" "5 5 5 5" "-5 5 -5 5" "20.001 0 20.001 0" \
      "0 0 0 1" "0 0 0 -1" "0 0 0 179" "0 0 0 179.3" "0 0 0 179.5" "0 0 0 180" "0 0 0 -180" "10 0 50 0" "10 0 -10 180" "30 0 -30 180" "0 179.9 0 -179.9" "52 179.5 51 -179.5" \
      "-33 -180 -33 180" "48.522876735459 0 -48.52287673545898293 179.599720456223079643" "88.202499451857 0 -88.202499451857 179.981022032992859592" \
      "89.262080389218 0 -89.262080389218 179.992207982775375662" "27.2 0 -27.1 179.5" "36.493349428792 0 36.49334942879201 .0000008" "0.07476 0 -0.07476 179.75" \
      "0.1 0 -0.1 179.76" "0 0 0.00001 179.9" "0.5 0 -0.5 180" "0.5 0 -0.5 179.5" "0.000000000000000000001 0 0 1" "0 0 0.000000001 0.000000001"
    points 17 170 'printf "%.6f %.6f %.6f %.6f\n", uniform(-90, 90), uniform(-180, 180), uniform(-90, 90), uniform(-180, 180)'
    points 18 130 'd = scale(1e-8, 1); a = uniform(-80, 80); b = uniform(-179, 179); printf "%.10f %.10f %.10f %.10f\n", a, b, a + uniform(-d, d), b + uniform(-d, d)'
    points 19 250 'd = scale(1e-6, 1.5); a = uniform(-89, 89); if (i % 5 == 0) a = uniform(-0.5, 0.5); b = uniform(-180, 0); printf "%.7f %.7f %.7f %.7f\n", a, b, -a + uniform(-d, d) / 2, b + 180 + uniform(-d, d)'
  } | awk '{ if ($1 <= 90 && $1 >= -90 && $3 <= 90 && $3 >= -90) print }' >/tmp/geo.in
  GeodSolve -i -p 9 </tmp/geo.in | paste -d' ' /tmp/geo.in -
}

# Geodesics, direct: lat1 lon1 azimuth1 metres lat2 lon2 azimuth2.
direct() {
  { printf '%s\n' "0 0 90 1000000" "90 0 0 1000" "90 10 180 1000" "-90 0 45 1000" "0 179.9 90 100000" "45 10 0 0" "45 10 -90 -5000" "1 2 540 3000" "10 20 30 40000000" "30 40 50 1000000000"
    points 23 200 'printf "%.6f %.6f %.6f %.3f\n", uniform(-90, 90), uniform(-180, 180), uniform(-180, 360), i % 2 ? scale(0.01, 1e5) : uniform(-4e7, 4e7)'; } >/tmp/geo.in
  GeodSolve -p 9 </tmp/geo.in | paste -d' ' /tmp/geo.in -
}

# UTM zones and MGRS: lon lat zone square.
zones() {
  { printf '%s\n' "180 10" "-180 10" "179.999 -10" "0 0" "-0.001 0" "5.999 0" "6 0" "3 56" "2.999 60" "3 63.999" "11.999 60" "12 60" "3 64" "3 55.999" "0 72" "8.999 75" "9 75" \
      "20.999 78" "21 78" "32.999 80" "33 80" "41.999 83.9" "42 80" "9 71.999" "-0.5 75" "117 -80" "117 0" "117 -0.000000001"
    points 31 120 'printf "%.4f %.4f\n", uniform(-180, 180), uniform(-80, 84)'
    points 32 120 'printf "%.4f %.4f\n", uniform(-2, 44), uniform(54, 84)'; } >/tmp/geo.in
  awk '{ print $2, $1 }' /tmp/geo.in | GeoConvert -u | awk '{ z = toupper($1); sub(/^0/, "", z); print z }' | paste -d' ' /tmp/geo.in - >/tmp/geo.zones
  awk '{ print $2, $1 }' /tmp/geo.in | GeoConvert -m | paste -d' ' /tmp/geo.zones -
}

for what in grids exact mercator ecef deep enu inverse direct zones; do
  $what >$what.txt
  printf '%s %s lines\n' $what "$(wc -l <$what.txt)"
done
rm /tmp/geo.in /tmp/geo.zones

#!/usr/bin/env bash
# Makes the golden values of frames in this folder, so that tests need none of these:
#   apt-get install proj-bin geographiclib-tools python3     (PROJ 9.1.1, GeographicLib 2.1.2)
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C

# ways: from to x y z X Y Z, by PROJ's topocentric, cart, utm and webmerc. The frames are those of bridge_test.go.
site="+proj=topocentric +ellps=WGS84 +lon_0=117.227239 +lat_0=31.820587 +h_0=35"
yard="+proj=topocentric +ellps=WGS84 +lon_0=117.31 +lat_0=31.79 +h_0=12"
cart="+proj=cart +ellps=WGS84"
way() { # from to step... < points
  local from=$1 to=$2
  shift 2
  local points
  points=$(cat)
  awk '{ print $0, 0 }' <<<"$points" | cct -d 12 +proj=pipeline "$@" | awk '{ print $1, $2, $3 }' | paste -d' ' <(echo "$points") - | sed "s/^/$from $to /"
}
plane() { printf '%s\n' "0 0 0" "12.5 -3.25 1.5" "-840.125 512.75 40" "4000 3000 -20" "-20000 15000 100"; }
lonlat() { printf '%s\n' "117.227239 31.820587 35" "117.2271 31.8204 20" "117.3 31.7 0" "116.9 32.05 800"; }
{
  plane | way site wgs +step +inv $site +step +inv $cart +step +proj=unitconvert +xy_in=rad +xy_out=deg
  plane | way site utm50 +step +inv $site +step +inv $cart +step +proj=utm +zone=50 +ellps=WGS84
  plane | way site web +step +inv $site +step +inv $cart +step +proj=webmerc +ellps=WGS84
  plane | way site ecef +step +inv $site
  plane | way site yard +step +inv $site +step $yard
  lonlat | way wgs site +step +proj=unitconvert +xy_in=deg +xy_out=rad +step $cart +step $site
  lonlat | way wgs utm50 +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=utm +zone=50 +ellps=WGS84
  printf '%s\n' "521500.25 3520500.5 35" "500000 3500000 0" "532000 3511000 120" | way utm50 yard +step +inv +proj=utm +zone=50 +ellps=WGS84 +step $cart +step $yard
} >ways.txt

# convergence: zone lon lat degrees, the bearing of grid north.
{
  for p in "50 117.227239 31.820587" "50 114.1 5" "50 119.9 49.5" "32 9.1 60" "32 6.2 80" "19 -69.001 -33.4" "60 179.9 -17.5" "1 -179.9 65"; do
    set -- $p
    echo "$p $(echo "$3 $2" | GeoConvert -c -z "$1" -p 8 | awk '{ print $1 }')"
  done
} >convergence.txt

python3 controlpoints.py >controlpoints.txt

#!/usr/bin/env bash
# An installed tsugi is found by find_package(tsugi), its headers stand alone, and a program that links it runs.
set -euo pipefail
[ -z "${TSUGI_SANITIZE:-}" ] || exit 77  # a sanitized library is not one to install

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$TSUGI_BUILD_DIR" --prefix "$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }
# Someone who uses the library needs none of the packages that it was built with.
if grep -rnE '#include *[<"](nlohmann|archive|openssl|libexif|libheif|webp|jpeglib|utf8proc|stb|oneapi|dnnl|dlib|CLI)' "$work/prefix/include"; then
  echo "a public header includes a third-party one"
  exit 1
fi
# Measuring is the command line's: bench/ is neither installed nor in the library.
if [ -e "$work/prefix/include/tsugi/bench" ] || nm -C "$work"/prefix/lib*/libtsugi.* "$work"/prefix/lib/*/libtsugi.* 2>/dev/null | grep -q "tsugi::bench::"; then
  echo "libtsugi holds parts of bench/"
  exit 1
fi
cmake -S "$TSUGI_SOURCE_DIR/tests/install/consumer" -B "$work/build" -G Ninja \
  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/build"
version=$("$work/build/consumer")
expected=$(sed -n 's/^project(tsugi VERSION \([0-9.]*\).*/\1/p' "$TSUGI_SOURCE_DIR/CMakeLists.txt")
[ "$version" = "$expected" ] || { echo "the consumer says version '$version', expected '$expected'"; exit 1; }

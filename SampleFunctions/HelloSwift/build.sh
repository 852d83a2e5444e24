#!/bin/sh
# Builds the function into a folder that can be deployed: build.sh [FOLDER], by default .build/function.
set -eu
cd "$(dirname "$0")"
target=${1:-.build/function}
swift build -c release --static-swift-stdlib -Xswiftc -static-executable
mkdir -p "$target"
cp .build/release/HelloSwift "$target/bootstrap"
strip "$target/bootstrap"
echo "$target"

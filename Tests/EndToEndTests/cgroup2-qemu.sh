#!/usr/bin/env bash
# Proves Martlet on cgroup v2: boots the release build in an emulated machine with a kernel of the distribution's and a
# unified cgroup hierarchy, deploys functions there, and looks at limits, out of memory, accounting and what is left.
#   cgroup2-qemu.sh [KERNEL_IMAGE]
# Without an image it takes a newest "cloud" kernel from apt, unpacked into .build/cgroup2. Status 0: passed, 1: failed,
# 77: skipped, with the reason. Takes about two minutes, because the processor is emulated.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${MARTLET_BUILD:-$root/.build/release}
work=$root/.build/cgroup2
skip() { echo "skipped: $*"; exit 77; }

qemu=${QEMU:-$(command -v qemu-system-x86_64 || true)}
[ -n "$qemu" ] || skip "qemu-system-x86_64 is not installed (apt install qemu-system-x86)"
[ "$(uname -m)" = x86_64 ] || skip "written for x86_64"
for tool in cpio busybox python3.11; do command -v $tool >/dev/null || skip "$tool is not installed (apt install cpio busybox-static python3)"; done
[ -x "$build/martlet" ] || skip "$build/martlet is missing: build the release first"
[ -x /usr/bin/python3.11 ] || skip "/usr/bin/python3.11 is missing"
mkdir -p "$work"

kernel=${1:-}
if [ -z "$kernel" ]; then
    kernel=$(find "$work/kernel/boot" -name 'vmlinuz-*' 2>/dev/null | sort -V | tail -1)
fi
if [ -z "$kernel" ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends:/ {print $2; exit}')
    [ -n "$package" ] || skip "apt knows no linux-image-cloud-amd64; give a kernel image as argument"
    (cd "$work" && apt-get download -q "$package" >/dev/null 2>&1) || skip "$package could not be downloaded"
    dpkg -x "$work"/"$package"_*.deb "$work/kernel"
    kernel=$(find "$work/kernel/boot" -name 'vmlinuz-*' | sort -V | tail -1)
fi

tree=$work/tree
rm -rf "$tree"
mkdir -p "$tree"/{bin,proc,sys,dev,tmp,run,new,opt/martlet,samples,usr/bin,usr/lib,usr/lib64,usr/share,etc,var/lib}
ln -s usr/lib "$tree/lib"
ln -s usr/lib64 "$tree/lib64"
cp "$(command -v busybox)" "$tree/bin/busybox"
cp "$build"/martlet "$build"/martlet-sandbox "$build"/libMartletFork.so "$tree/opt/martlet/"
cp -r "$root"/SampleFunctions/HelloPython "$root"/SampleFunctions/WordCountShell "$tree/samples/"

# Programs at their own places, with the libraries they name.
with_libraries() {
    local file library
    for file in "$@"; do
        mkdir -p "$tree$(dirname "$file")"
        cp -L "$file" "$tree$file"
        for library in $(ldd "$file" 2>/dev/null | grep -o '/[^ ]*' || true); do
            # ldd names /lib, which is a link to /usr/lib here as on the host.
            [ -e "$tree$library" ] || { mkdir -p "$tree$(dirname "$library")" && cp -L "$library" "$tree$library"; }
        done
    done
}
tools=$(for t in cat mktemp tr sed wc rm echo env date sleep mkdir head printf ls; do command -v "/usr/bin/$t" || true; done)
# shellcheck disable=SC2086
with_libraries "$build/martlet" "$build/martlet-sandbox" /usr/bin/python3.11 /usr/bin/dash /usr/bin/curl $tools /usr/lib/python3.11/lib-dynload/*.so
rm -rf "${tree:?}$build"
ln -sf dash "$tree/usr/bin/sh"
# The loader's place as on Debian: a link into the library folder.
mv "$tree/usr/lib64/ld-linux-x86-64.so.2" "$tree/usr/lib/x86_64-linux-gnu/"
ln -s /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$tree/usr/lib64/"
(cd /usr/lib && tar cf - --exclude=__pycache__ --exclude=test --exclude=idlelib --exclude=tkinter --exclude='config-*' python3.11) | tar xf - -C "$tree/usr/lib"
printf 'root:x:0:0::/root:/bin/sh\n' >"$tree/etc/passwd"
printf 'root:x:0:\n' >"$tree/etc/group"

cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
# A RAM disk's first root cannot be exchanged, which sandboxes need: a copy of it on a tmpfs becomes the root.
/bin/busybox mount -t tmpfs -o size=90% none /new
for d in bin lib lib64 opt samples usr etc var second check.py; do /bin/busybox cp -a /$d /new/; done
/bin/busybox rm -rf /opt /usr
/bin/busybox mkdir -p /new/proc /new/sys /new/dev /new/tmp /new/run /new/root
exec /bin/busybox switch_root /new /second
INIT
cat >"$tree/second" <<'SECOND'
#!/bin/busybox sh
export PATH=/usr/bin:/bin HOME=/root
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
$b chmod 1777 /tmp
$b mount -t cgroup2 none /sys/fs/cgroup
$b ip link set lo up
# As a service manager starts it: in a group of its own beside others, with the controllers on above.
echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
$b mkdir -p /sys/fs/cgroup/system.slice
echo "+cpu +memory +pids" >/sys/fs/cgroup/system.slice/cgroup.subtree_control
$b mkdir /sys/fs/cgroup/system.slice/martlet.service
/usr/bin/python3.11 /check.py
$b poweroff -f
SECOND
chmod +x "$tree/init" "$tree/second"
cat >"$tree/check.py" <<'CHECK'
import json, os, signal, subprocess, sys, time, urllib.error, urllib.request
MARTLET, BASE = "/opt/martlet/martlet", "http://127.0.0.1:9000"
HOME = "/sys/fs/cgroup/system.slice/martlet.service"
failures = []

def say(text): print(text, flush=True)
def expect(what, truth, seen=""):
    say(f"{'ok  ' if truth else 'FAIL'} {what} {seen}")
    if not truth: failures.append(what)
def http(path, body=None, timeout=120):
    try:
        with urllib.request.urlopen(urllib.request.Request(BASE + path, data=body), timeout=timeout) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error: return error.code, error.read(), error.headers
    except OSError as error: return 0, repr(error).encode(), {}
def cli(*words):
    done = subprocess.run([MARTLET, *words], capture_output=True, text=True, timeout=300)
    if done.returncode: say(done.stdout + done.stderr)
    return done
def invoke(name, event):
    status, body, headers = http(f"/2015-03-31/functions/{name}/invocations", json.dumps(event).encode())
    record = json.loads(cli("usage", "--invocation", headers["x-amzn-RequestId"], "--json").stdout)
    record = record.get("rows", [record])[0]
    return status, json.loads(body), headers, record
def groups():
    return sorted(os.path.join(d, n) for d, names, _ in os.walk("/sys/fs/cgroup") for n in names if n.startswith("martlet-"))
def start():
    def join():
        with open(HOME + "/cgroup.procs", "w") as file: file.write(str(os.getpid()))
    process = subprocess.Popen([MARTLET, "serve", "--dev", "--data", "/var/lib/martlet"], preexec_fn=join)
    for _ in range(600):
        if http("/martlet/v1/health")[0] == 200: return process
        time.sleep(0.1)
    raise SystemExit("not healthy within 60 s")

say(os.uname().release)
doctor = json.loads(cli("doctor", "--json").stdout)
expect("doctor says v2 with cpu, memory and pids", doctor["cgroups"] == "v2" and sorted(doctor["controllers"]) == ["cpu", "memory", "pids"], doctor)
expect("doctor leaves no group", groups() == [], groups())
server = start()
say(" ".join(groups()))
for name, sample in (("hello", "HelloPython"), ("words", "WordCountShell")):
    expect(f"{sample} is deployed", cli("deploy", name, f"/samples/{sample}", "--timeout", "60").returncode == 0)
    answer = invoke(name, json.load(open(f"/samples/{sample}/event.json")))
    expect(f"{sample} answers", answer[0] == 200 and "X-Amz-Function-Error" not in answer[2], answer[1])
os.makedirs("/tmp/work", exist_ok=True)
with open("/tmp/work/app.py", "w") as file: file.write('''
import os, time
def handler(event, context):
    if event.get("hold"): block = bytearray(event["hold"] << 20)
    if event.get("burn"):
        end = time.process_time() + event["burn"]
        while time.process_time() < end: pass
    if event.get("fork"):
        pids = []
        try:
            for _ in range(event["fork"]):
                pid = os.fork()
                if pid == 0:
                    time.sleep(60); os._exit(0)
                pids.append(pid)
        except OSError as error:
            for pid in pids: os.kill(pid, 9)
            return [len(pids), error.errno]
        for pid in pids: os.kill(pid, 9)
        return [len(pids), 0]
    return "done"
''')
if failures: say(cli("logs", "hello").stdout)
expect("work is deployed", cli("deploy", "work", "/tmp/work", "--handler", "app.handler", "--memory", "256", "--timeout", "60").returncode == 0)
answer = invoke("work", {"hold": 120, "burn": 0.5})
record = answer[3]
peak, cpu = record["peakMemoryKiB"] if "peakMemoryKiB" in record else record.get("peakMemoryMB", 0) * 1024, record.get("cpuMs") or record.get("cpuMicroseconds", 0) / 1000
say(json.dumps(record))
expect("peak memory is what was held", peak > 120 * 1024, peak)
expect("CPU time is what was used", float(cpu) >= 500, cpu)
small = []
for _ in range(8):
    record = invoke("work", {})[3]
    small.append(record["peakMemoryKiB"] if "peakMemoryKiB" in record else record.get("peakMemoryMB", 0) * 1024)
expect("the next invocations have peaks of their own", max(small) < 100 * 1024, small)
answer = invoke("work", {"hold": 600, "burn": 5})
expect("out of memory is named", "OutOfMemory" in json.dumps(answer[1]), answer[1])
answer = invoke("work", {"fork": 1500})
expect("processes are bounded", isinstance(answer[1], list) and answer[1][1] == 11 and 900 < answer[1][0] < 1100, answer[1])
expect("a neighbour still answers", invoke("hello", {"name": "x"})[0] == 200)
inside = [p for p in groups()]
weights = {open(os.path.join(d, "cpu.weight")).read().strip() for p in inside for d, n, f in os.walk(p) if "cpu.weight" in f and "/s" in d[len(p):]}
expect("weights follow the memory size", "14" in weights, weights)
server.send_signal(signal.SIGTERM)
expect("the server ends with 0", server.wait(30) == 0)
expect("no group is left", groups() == [], groups())
server = start()
expect("answers after a restart", invoke("hello", {"name": "x"})[0] == 200)
server.kill(); server.wait()
for _ in range(100):
    if not groups(): break
    time.sleep(0.1)
expect("no group is left after kill -9 of the supervisor", groups() == [], groups())
say("RESULT " + ("FAILED " + "; ".join(failures) if failures else "PASSED"))
CHECK
(cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.gz"
echo "kernel $kernel, image $(du -h "$work/initrd.gz" | cut -f1)"
# shellcheck disable=SC2086
timeout "${LIMIT:-540}" "$qemu" ${QEMU_OPTIONS:-} -M q35 -cpu max -accel tcg,thread=multi -smp 2 -m 2048 -nographic -no-reboot -nic none \
    -kernel "$kernel" -initrd "$work/initrd.gz" -append "console=ttyS0 quiet panic=-1 mitigations=off cgroup_no_v1=all" </dev/null | tee "$work/console.log" || true
grep -q '^RESULT PASSED' "$work/console.log"

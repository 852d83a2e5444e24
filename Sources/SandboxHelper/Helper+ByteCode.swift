import Glibc
import LinuxPrimitives
import Sandbox

/// The byte code of the host's interpreters.
extension Helper {
    /// While nothing else is to be done: one interpreter after another makes its byte code.
    func makeByteCode() {
        if let job = byteCode {
            if ByteCode.now() > job.deadline { endByteCode() }
            return
        }
        guard let body = embryo, let offer = byteCodeWanted.popLast() else { return }
        guard let root = rootOrder.firstIndex(of: offer.name), let uid = uids.take(except: Set(live.values.map(\.uid))) else { return }
        embryo = nil
        // Past the numbers that the server may use.
        let id = 1 << 30 | UInt32(byteCodeWanted.count)
        do {
            let job = try ByteCode(offer, id: id) {
                try become(
                    body, id: id, uid: uid, root: root, memory: ByteCode.memoryMB, storage: ByteCode.storageMB, digest: "", descriptors: $0)
            }
            byteCode = job
            try watch(job.output, UInt64(id) << 2 | 3)
        } catch {
            reportNoByteCode(offer, "\(error)")
            endByteCode()
        }
    }

    func fromByteCode(_ id: UInt32) {
        guard byteCode?.id == id, byteCode?.read() == true else { return }
        do {
            if let job = byteCode, try job.install(in: runtimeFiles.python) == 0 { reportNoByteCode(job.offer, "the interpreter gave none") }
        } catch {
            if let job = byteCode { reportNoByteCode(job.offer, "\(error)") }
        }
        endByteCode()
    }

    func byteCodeSandboxIsUp(_ sandbox: Live) {
        do {
            try makeSlot(0, of: sandbox).close()
            try byteCode?.run()
        } catch {
            if let job = byteCode { reportNoByteCode(job.offer, "\(error)") }
            endByteCode()
        }
    }

    func endByteCode() {
        guard let job = byteCode else { return }
        byteCode = nil
        job.close()
        if let sandbox = live[job.id] { kill(sandbox.pid, SIGKILL) }
    }

    /// Nobody's error: cold starts take a few milliseconds longer.
    func reportNoByteCode(_ offer: RuntimeOffer, _ reason: String) {
        let text = Array("martlet-sandbox: no byte code for \(offer.name): \(reason)\n".utf8)
        _ = text.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    }
}

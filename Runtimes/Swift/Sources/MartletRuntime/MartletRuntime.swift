@preconcurrency import Glibc

/// Runs a handler on the Lambda Runtime API (2018-06-01): ask for an event, call the handler, post its answer, again.
///
///     @main struct Hello {
///         static func main() {
///             MartletRuntime.run { (event: [UInt8], context: Context) in event }
///         }
///     }
///
/// Needs neither Foundation nor concurrency, so that a handler is a small static executable that starts at once. One
/// process handles one event at a time.
public enum MartletRuntime {
    /// An event as JSON text in; the answer as JSON text out, at most 6 MB. What it throws is the caller's function
    /// error: the type's name and its description, or exactly what a `HandlerError` says.
    public typealias Handler = (_ event: [UInt8], _ context: Context) throws -> [UInt8]

    /// Runs `handler` for each event until the process is ended.
    public static func run(_ handler: @escaping Handler) -> Never {
        run(preparing: { handler })
    }

    /// The same with the event parsed and the answer serialised. An event that is not JSON is answered with
    /// `Runtime.UnmarshalError` and never reaches the handler.
    public static func run(_ handler: @escaping (_ event: JSON, _ context: Context) throws -> JSON) -> Never {
        run { event, context in
            let value: JSON
            do {
                value = try JSON(parsing: event)
            } catch {
                throw HandlerError(type: "Runtime.UnmarshalError", message: "Unable to unmarshal input: \(error)")
            }
            return try handler(value, context).serialized()
        }
    }

    /// Calls `prepare` once, in the init phase; what it throws is reported as the function's init error.
    public static func run(preparing prepare: () throws -> Handler) -> Never {
        // A pipe would otherwise be written when 4 KB are full, and what a crash leaves unwritten is lost.
        setvbuf(stdout, nil, Int32(_IOLBF), 0)
        do {
            var api = try RuntimeAPI(address: environment("AWS_LAMBDA_RUNTIME_API") ?? "")
            let handler: Handler
            do {
                handler = try prepare()
            } catch {
                report(error)
                try api.postInitError(HandlerError(error))
                exit(1)
            }
            while true {
                let (event, context) = try api.next()
                try handle(event, context, handler, &api)
            }
        } catch {
            // The server has gone or does not speak the protocol: nobody is left to answer to.
            note("MartletRuntime: \(error)")
            exit(70)
        }
    }

    private static func handle(
        _ event: [UInt8], _ context: Context, _ handler: Handler, _ api: inout RuntimeAPI
    ) throws {
        if context.traceID.isEmpty {
            unsetenv("_X_AMZN_TRACE_ID")
        } else {
            setenv("_X_AMZN_TRACE_ID", context.traceID, 1)
        }
        do {
            let answer = try handler(event, context)
            fflush(nil)
            if try !api.postResponse(answer, requestID: context.requestID) {
                // The server has told the caller already; here it is only for the log.
                note("[ERROR] Function.ResponseSizeTooLarge: the answer has \(answer.count) bytes")
            }
        } catch let failure as RuntimeAPIError {
            throw failure
        } catch {
            report(error)
            try api.postError(HandlerError(error), requestID: context.requestID)
        }
    }

    private static func report(_ error: any Error) {
        let described = HandlerError(error)
        print("[ERROR] \(described.type): \(described.message)")
        fflush(nil)
    }

    private static func note(_ text: String) {
        fputs(text + "\n", stderr)
    }
}

/// An error whose type and message the caller shall see as they are.
public struct HandlerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Lambda's `errorType`.
    public var type: String
    /// Lambda's `errorMessage`.
    public var message: String

    public init(type: String, message: String) {
        self.type = type
        self.message = message
    }

    init(_ error: any Error) {
        if let error = error as? HandlerError {
            self = error
        } else {
            self.init(type: "\(Swift.type(of: error))", message: "\(error)")
        }
    }

    public var description: String { "\(type): \(message)" }
}

/// What is known of one invocation beside its event.
public struct Context: Hashable, Sendable {
    public let requestID: String
    /// The moment of the time limit, in milliseconds since 1970.
    public let deadlineMilliseconds: Int64
    public let invokedFunctionARN: String
    /// Empty when the caller sent none.
    public let traceID: String
    /// The caller's `X-Amz-Client-Context` as JSON text.
    public let clientContext: String?
    /// The caller's `X-Amz-Tenant-Id`; functions with a `TenancyConfig` always have one.
    public let tenantID: String?

    public init(
        requestID: String, deadlineMilliseconds: Int64, invokedFunctionARN: String, traceID: String = "",
        clientContext: String? = nil, tenantID: String? = nil
    ) {
        self.requestID = requestID
        self.deadlineMilliseconds = deadlineMilliseconds
        self.invokedFunctionARN = invokedFunctionARN
        self.traceID = traceID
        self.clientContext = clientContext
        self.tenantID = tenantID
    }

    /// Milliseconds until the time limit, 0 when it has passed.
    public var remainingMilliseconds: Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return max(0, deadlineMilliseconds - (Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000))
    }

    public var functionName: String { environment("AWS_LAMBDA_FUNCTION_NAME") ?? "" }
    public var functionVersion: String { environment("AWS_LAMBDA_FUNCTION_VERSION") ?? "" }
    /// MB.
    public var memorySize: Int { Int(environment("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") ?? "") ?? 0 }
}

func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}

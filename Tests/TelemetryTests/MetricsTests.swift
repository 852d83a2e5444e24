import FunctionModel
import Testing

@testable import Telemetry

@Suite struct MetricsTests {
    @Test func reportIsExactlyPrometheusText() {
        let registry = MetricsRegistry()
        let requests = registry.counter("requests_total", "All requests.", labels: ["function", "outcome"])
        requests.with("hello", "success").increment(by: 3)
        let time = registry.histogram("wait_seconds", "Waiting.", labels: ["function"], bounds: [1_000, 2_500_000])
        time.with("hello").observe(microseconds: 1_000)
        time.with("hello").observe(microseconds: 1_001)
        time.with("hello").observe(microseconds: 9_000_000)
        #expect(
            String(decoding: registry.render(), as: UTF8.self) == """
                # HELP requests_total All requests.
                # TYPE requests_total counter
                requests_total{function="hello",outcome="success"} 3
                # HELP wait_seconds Waiting.
                # TYPE wait_seconds histogram
                wait_seconds_bucket{function="hello",le="0.001"} 1
                wait_seconds_bucket{function="hello",le="2.5"} 2
                wait_seconds_bucket{function="hello",le="+Inf"} 3
                wait_seconds_sum{function="hello"} 9.002001
                wait_seconds_count{function="hello"} 3

                """)
    }

    @Test func labelValuesAndHelpSurviveEscaping() throws {
        let registry = MetricsRegistry()
        let nasty = "a\"b\\c\nd} 1 é"
        registry.gauge("odd", "Back\\slash,\nline and \"quotes\".", labels: ["name"]).with(nasty).set(-4)
        let report = try Exposition(registry.render())
        #expect(report.families[0].help == "Back\\slash,\nline and \"quotes\".")
        #expect(report.value("odd", ["name": nasty]) == -4)
    }

    @Test func seriesBeyondTheBoundBecomeOther() throws {
        let registry = MetricsRegistry()
        let family = registry.counter("seen_total", "Seen.", labels: ["function", "outcome"], maxSeries: 4)
        for number in 0..<50 {
            family.with("f\(number)", "good").increment()
            family.with("f\(number)", "bad").increment()
        }
        let report = try Exposition(registry.render())
        #expect(report.families[0].samples.count == 6)
        #expect(report.value("seen_total", ["function": "f1", "outcome": "bad"]) == 1)
        #expect(report.value("seen_total", ["function": "other", "outcome": "good"]) == 48)
        #expect(report.value("seen_total", ["function": "other", "outcome": "bad"]) == 48)
    }

    @Test func brokenPromiseAboutLabelsIsBoundedToo() throws {
        let registry = MetricsRegistry()
        let family = registry.counter("seen_total", "Seen.", labels: ["function", "outcome"], maxSeries: 4)
        for number in 0..<500 { family.with("f\(number)", "o\(number)").increment() }
        #expect(try Exposition(registry.render()).families[0].samples.count == 8)
    }

    @Test func removedFunctionMakesRoomAndDisappears() throws {
        let registry = MetricsRegistry()
        let family = registry.counter("seen_total", "Seen.", labels: ["function"], maxSeries: 2)
        family.with("a").increment()
        family.with("b").increment()
        family.remove("a")
        family.with("c").increment()
        let report = try Exposition(registry.render())
        #expect(report.value("seen_total", ["function": "a"]) == nil)
        #expect(report.value("seen_total", ["function": "b"]) == 1)
        #expect(report.value("seen_total", ["function": "c"]) == 1)
    }

    @Test func onlyWhatIsStillThereIsRetained() throws {
        let registry = MetricsRegistry()
        let family = registry.gauge("depth", "Depth.", labels: ["queue"], maxSeries: 2)
        for name in ["a", "b", "beyond"] { family.with(name).set(1) }
        family.retain(["b"])
        family.with("c").set(2)
        let report = try Exposition(registry.render())
        #expect(report.value("depth", ["queue": "a"]) == nil)
        #expect(report.value("depth", ["queue": "b"]) == 1)
        #expect(report.value("depth", ["queue": "c"]) == 2)
        #expect(report.value("depth", ["queue": "other"]) == 1)
    }

    @Test func poolThatIsGoneHasNoGauges() throws {
        let metrics = ServerMetrics()
        var pool = PoolFigures()
        pool.workersReady = 3
        metrics.setPools(["hello": pool, "other": PoolFigures()])
        #expect(try Exposition(metrics.registry.render()).value("pool_workers", ["function": "hello", "state": "ready"]) == 3)
        metrics.setPools(["other": PoolFigures()])
        let after = try Exposition(metrics.registry.render())
        #expect(after.value("pool_workers", ["function": "hello", "state": "ready"]) == nil)
        #expect(after.value("pool_workers", ["function": "other", "state": "ready"]) == 0)
    }

    @Test func whatNeverHappenedHasNoSeries() throws {
        let metrics = ServerMetrics()
        metrics.function("hello").finished(.success, start: .ready, handlerMicroseconds: 300, queueMicroseconds: 20)
        let report = try Exposition(metrics.registry.render())
        #expect(report.value("functions_invocations_total", ["function": "hello", "outcome": "success"]) == 1)
        #expect(report.value("functions_invocations_total", ["function": "hello", "outcome": "timeout"]) == nil)
        #expect(report.value("functions_errors_total", ["function": "hello"]) == 0)
    }

    @Test func sameLabelsGiveTheSameInstrument() {
        let family = MetricsRegistry().counter("seen_total", "Seen.", labels: ["function"])
        #expect(family.with("a") === family.with("a"))
        #expect(family.with("a") !== family.with("b"))
    }

    @Test func countsFromManyThreadsAddUp() async throws {
        let registry = MetricsRegistry()
        let counter = registry.counter("seen_total", "Seen.").with()
        let histogram = registry.histogram("time_seconds", "Time.").with()
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for number in 0..<5_000 {
                        counter.increment()
                        histogram.observe(microseconds: UInt64(number * task))
                    }
                }
            }
        }
        let report = try Exposition(registry.render())
        #expect(report.value("seen_total") == 40_000)
        #expect(report.value("time_seconds_count") == 40_000)
    }

    @Test func serverMetricsHaveTheirNamesAndAreWellFormed() throws {
        let metrics = ServerMetrics()
        let hello = metrics.function("hello")
        hello.finished(.success, start: .ready, handlerMicroseconds: 300, queueMicroseconds: 20)
        hello.finished(.timeout, start: .cold, handlerMicroseconds: 3_000_000, queueMicroseconds: 20_000)
        hello.finished(.interrupted, start: .ready, handlerMicroseconds: 5, queueMicroseconds: 5)
        hello.throttled(.queue)
        hello.initialised(microseconds: 30_000)
        var pool = PoolFigures()
        pool.queueDepth = 7
        metrics.setPools(["hello": pool])
        metrics.usageRecordsWritten.increment(by: 2)
        let report = try Exposition(metrics.registry.render())
        #expect(report.value("functions_invocations_total", ["function": "hello", "outcome": "timeout"]) == 1)
        #expect(report.value("functions_errors_total", ["function": "hello"]) == 1)
        #expect(report.value("functions_throttles_total", ["function": "hello", "reason": "queue"]) == 1)
        #expect(report.value("functions_duration_seconds_count", ["function": "hello"]) == 3)
        #expect(report.value("functions_queue_seconds_sum", ["function": "hello"]) == 0.020025)
        #expect(report.value("functions_start_kind_total", ["function": "hello", "start": "ready"]) == 2)
        #expect(report.value("functions_init_seconds_count", ["function": "hello"]) == 1)
        #expect(report.value("queue_depth", ["function": "hello"]) == 7)
        #expect(report.value("usage_records_written_total") == 2)
        #expect(try #require(report.value("process_resident_memory_bytes")) > 1_000_000)
        #expect(try #require(report.value("process_open_fds")) >= 3)
        #expect(try #require(report.value("process_start_time_seconds")) > 1_700_000_000)
        let names = Set(report.families.map(\.name))
        let expected: Set = [
            "functions_invocations_total", "functions_errors_total", "functions_throttles_total", "functions_duration_seconds",
            "functions_queue_seconds", "functions_start_kind_total", "pool_workers", "pool_templates", "queue_depth",
            "usage_records_written_total", "sandbox_starts_total", "process_cpu_seconds_total", "process_max_fds",
        ]
        #expect(expected.isSubset(of: names))
        metrics.remove(function: "hello")
        let after = try Exposition(metrics.registry.render())
        #expect(after.families.allSatisfy { $0.samples.allSatisfy { $0.labels["function"] == nil } })
    }

    @Test(arguments: [(0, "0"), (1, "0.000001"), (250, "0.00025"), (1_000_000, "1"), (900_000_000, "900"), (1_500_000, "1.5")] as [(UInt64, String)])
    func microsecondsAreShownAsExactSeconds(micros: UInt64, text: String) {
        #expect(ExpositionText.millionths(micros) == text)
    }

    @Test func parserRefusesWhatIsNotTheFormat() {
        for text in [
            "a 1\n", "# HELP a x\n# TYPE a counter\na{b=c} 1\n", "# HELP a x\n# TYPE a counter\na 1", "# HELP a x\n# TYPE a counter\na 1\na 1\n",
            "# HELP a x\n# TYPE a counter\nb 1\n", "# HELP a x\n# TYPE a counter\na one\n", "# HELP a x\n",
            "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
        ] {
            #expect(throws: Exposition.Fault.self) { try Exposition(Array(text.utf8)) }
        }
    }
}

import JSONValues
import SAMTemplates
import Testing

private func context(_ parameters: [String: String] = [:]) -> StackContext {
    StackContext(
        stackName: "shop", account: "123456789012", region: "us-east-1", scheme: "http", port: 9000, endpoint: "http://127.0.0.1:9000", parameters: parameters)
}

private func build(_ template: String, _ parameters: [String: String] = [:]) throws -> DesiredStack {
    try StackBuilder.build(YAMLReader.read(Array(template.utf8)), context(parameters))
}

private func faults(_ template: String, _ parameters: [String: String] = [:]) throws -> [String] {
    do { _ = try build(template, parameters) } catch let faults as TemplateFaults { return faults.faults.map(\.description) }
    return []
}

extension DesiredStack {
    fileprivate subscript(_ kind: StackResource.Kind, _ name: String) -> StackResource? { resources.first { $0.identity == .init(kind: kind, name: name) } }
    fileprivate var names: [String] { resources.map { "\($0.identity.kind.rawValue) \($0.identity.name)" } }
}

private let head = "Transform: AWS::Serverless-2016-10-31\nResources:\n"
/// A function `F` with further properties, in flow style.
private func withFunction(_ properties: String, _ others: String = "") -> String {
    head + "  F:\n    Type: AWS::Serverless::Function\n    Properties: {Runtime: python3.11, Handler: app.handler, CodeUri: src, \(properties)}\n" + others
}

@Suite struct StackBuilderTests {
    @Test func globalsAreJoinedWithTheFunctionsOwn() throws {
        let stack = try build(
            """
            Transform: AWS::Serverless-2016-10-31
            Globals:
              Function:
                Runtime: python3.11
                Timeout: 30
                MemorySize: 256
                Environment: {Variables: {A: one, B: two}}
                Layers: [!Ref Common]
                Tags: {team: web}
            Resources:
              Common: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer, CompatibleRuntimes: [python3.11]}}
              F:
                Type: AWS::Serverless::Function
                Properties:
                  Handler: app.handler
                  CodeUri: src/
                  Timeout: 5
                  Environment: {Variables: {B: 2, C: true}}
                  Layers: ["arn:aws:lambda:us-east-1:123456789012:layer:other:1"]
            """)
        let made = try #require(stack[.function, "shop-F"])
        #expect(made.properties["Timeout"] == .integer(5) && made.properties["MemorySize"] == .integer(256))
        #expect(made.properties["Environment"] == .object([.init("A", .string("one")), .init("B", .string("2")), .init("C", .string("true"))]))
        #expect(made.properties["Layers"] == .array([.string("{{layer:Common}}"), .string("arn:aws:lambda:us-east-1:123456789012:layer:other:1")]))
        #expect(made.properties["Tags"] == .object([.init("team", .string("web"))]) && made.code == .path("src/"))
        #expect(stack.names == ["layer shop-Common", "function shop-F"])
    }

    @Test func everythingBesideAFunctionIsMade() throws {
        let stack = try build(
            withFunction(
                """
                FunctionName: worker, AutoPublishAlias: live, ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 2},
                FunctionUrlConfig: {AuthType: NONE, Cors: {AllowOrigins: ["*"]}}, EventInvokeConfig: {MaximumRetryAttempts: 0, DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Q.Arn}}},
                DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Q.Arn}, ReservedConcurrentExecutions: 3,
                Events: {A: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, BatchSize: 5}}, B: {Type: Schedule, Properties: {Schedule: rate(1 hour), Input: '{"a":1}'}},
                  C: {Type: ScheduleV2, Properties: {ScheduleExpression: "cron(0 3 * * ? *)", ScheduleExpressionTimezone: Europe/Berlin}},
                  D: {Type: EventBridgeRule, Properties: {Pattern: {source: [shop], detail-type: [x]}}}, E: {Type: HttpApi, Properties: {Path: "/a/{id}", Method: get}},
                  G: {Type: Api, Properties: {Path: /b, Method: any}}}
                """, "  Q: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 60}}\n"))
        let function = "arn:aws:lambda:us-east-1:123456789012:function:worker:live"
        #expect(
            stack.names == [
                "queue shop-Q", "function worker", "alias worker:live", "invokeConfig worker:live", "url worker:live", "domain shop.api.localhost",
                "domain shop-rest.api.localhost", "mapping arn:aws:sqs:us-east-1:123456789012:shop-Q \(function)", "rule default/shop-FB", "rule default/shop-FD",
                "schedule default/shop-FC",
            ])
        #expect(stack[.alias, "worker:live"]?.properties["ProvisionedConcurrentExecutions"] == .integer(2))
        #expect(stack[.invokeConfig, "worker:live"]?.properties["OnFailure"] == .string("arn:aws:sqs:us-east-1:123456789012:shop-Q"))
        #expect(stack[.function, "worker"]?.properties["DeadLetterTarget"] == .string("arn:aws:sqs:us-east-1:123456789012:shop-Q"))
        #expect(stack[.rule, "default/shop-FB"]?.properties["Target"]?["Arn"]?.string == function)
        #expect(stack[.rule, "default/shop-FB"]?.properties["Target"]?["Id"]?.string == "FBLambdaTarget")
        #expect(stack[.rule, "default/shop-FD"]?.properties["EventPattern"]?.text() == #"{"detail-type":["x"],"source":["shop"]}"#)
        #expect(stack[.schedule, "default/shop-FC"]?.properties["ScheduleExpressionTimezone"] == .string("Europe/Berlin"))
        let http = try #require(stack[.domain, "shop.api.localhost"]?.properties["routes"]?.array?.first)
        #expect(http["route"]?.string == "GET /a/{id}" && http["qualifier"]?.string == "live" && http["payloadFormat"]?.string == "2.0")
        let rest = try #require(stack[.domain, "shop-rest.api.localhost"])
        #expect(rest.properties["stage"] == .string("Prod") && rest.properties["routes"]?.array?.first?["route"]?.string == "ANY /b")
        #expect(stack[.queue, "shop-Q"]?.properties["VisibilityTimeout"] == .string("60"))
    }

    @Test func apisOfTheTemplateHaveTheirOwnDomains() throws {
        let stack = try build(
            withFunction(
                "Events: {A: {Type: HttpApi, Properties: {ApiId: !Ref Web, Path: /x, Method: post, PayloadFormatVersion: 1.0}}, B: {Type: HttpApi, Properties: {ApiId: !Ref Web}}}",
                """
                  Web:
                    Type: AWS::Serverless::HttpApi
                    Properties: {StageName: v1, StageVariables: {table: t}, CorsConfiguration: {AllowOrigins: ["https://a.example"], MaxAge: 5}, Domain: {DomainName: Shop.Example}}
                Outputs:
                  Url: {Value: !Sub "https://${Web}.execute-api.${AWS::Region}.amazonaws.com/v1/x"}
                  Endpoint: {Value: !GetAtt Web.ApiEndpoint}
                  Id: {Value: !Ref Web}

                """))
        let domain = try #require(stack[.domain, "shop.example"])
        #expect(domain.properties["stage"] == .string("v1") && domain.properties["stageVariables"] == .object([.init("table", .string("t"))]))
        #expect(domain.properties["cors"]?["AllowOrigins"] == .array([.string("https://a.example")]) && domain.properties["cors"]?["MaxAge"] == .integer(5))
        #expect(domain.properties["routes"]?.array?.map { $0["route"]?.string } == ["$default", "POST /x"])
        #expect(domain.properties["routes"]?.array?.last?["payloadFormat"]?.string == "1.0")
        #expect(stack.outputs.map(\.value) == [.string("http://shop.example:9000/x"), .string("http://shop.example:9000"), .string("shop.example")])
    }

    @Test func referencesAreResolved() throws {
        let stack = try build(
            """
            Transform: AWS::Serverless-2016-10-31
            Parameters:
              Stage: {Type: String, Default: dev, AllowedValues: [dev, prod]}
              Count: {Type: Number, Default: 2}
              Names: {Type: CommaDelimitedList, Default: "a, b"}
            Mappings: {Sizes: {dev: {memory: 128}, prod: {memory: 512}}}
            Conditions:
              IsProd: !Equals [!Ref Stage, prod]
              Both: !And [!Condition IsProd, !Not [!Equals [!Ref Count, 3]]]
            Resources:
              Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "q-${Stage}"}}
              OnlyProd: {Type: AWS::SQS::Queue, Condition: IsProd}
              F:
                Type: AWS::Serverless::Function
                Properties:
                  Runtime: python3.11
                  Handler: app.handler
                  InlineCode: "def handler(event, context): return 1"
                  MemorySize: !FindInMap [Sizes, !Ref Stage, memory]
                  Timeout: !If [IsProd, 60, !Ref AWS::NoValue]
                  AutoPublishAlias: live
                  Environment:
                    Variables:
                      URL: !Ref Q
                      ARN: !GetAtt Q.Arn
                      JOINED: !Join ["-", [!Ref Stage, !Select [1, !Ref Names], !Ref AWS::AccountId]]
                      SUB: !Sub ["${x}/${AWS::Region}/${!Kept}/${Q.QueueName}", {x: !Ref AWS::StackName}]
                      SPLIT: !Join ["+", !Split [",", "c,d"]]
            Outputs:
              Arn: {Value: !Sub "${F.Arn} ${F.Alias}", Description: both}
              Prod: {Value: x, Condition: Both}
            """, ["Stage": "prod"])
        let made = try #require(stack[.function, "shop-F"])
        #expect(made.properties["MemorySize"] == .integer(512) && made.properties["Timeout"] == .integer(60))
        #expect(made.code == .inline(file: "index.py", text: "def handler(event, context): return 1"))
        let variables = try #require(made.properties["Environment"])
        #expect(variables["URL"]?.string == "http://127.0.0.1:9000/123456789012/q-prod" && variables["ARN"]?.string == "arn:aws:sqs:us-east-1:123456789012:q-prod")
        #expect(variables["JOINED"]?.string == "prod-b-123456789012" && variables["SUB"]?.string == "shop/us-east-1/${Kept}/q-prod" && variables["SPLIT"]?.string == "c+d")
        #expect(stack.outputs.map(\.name) == ["Arn", "Prod"])
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:shop-F"
        #expect(stack.outputs.first?.value == .string("\(arn) \(arn):live"))
        #expect(stack[.queue, "shop-OnlyProd"] != nil)
    }

    @Test func plainLambdaFunctionsAreMadeToo() throws {
        let stack = try build(
            """
            Resources:
              Role: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}
              F:
                Type: AWS::Lambda::Function
                Properties: {Runtime: nodejs20.x, Handler: index.handler, Role: !GetAtt Role.Arn, Code: {ZipFile: "exports.handler = async () => 1"}, Tags: [{Key: a, Value: b}]}
            """)
        #expect(stack[.function, "shop-F"]?.code == .inline(file: "index.js", text: "exports.handler = async () => 1"))
        #expect(stack[.function, "shop-F"]?.properties["Tags"] == .object([.init("a", .string("b"))]))
        #expect(stack.notes.contains { $0.contains("AWS::IAM::Role") })
    }

    @Test(arguments: [
        ("Unknown: 1", "Resources.F.Properties.Unknown: is not supported here"), ("MemorySize: 64", "MemorySize: must be a whole number from 128"),
        ("Events: {A: {Type: SNS, Properties: {Topic: x}}}", "Events.A.Type: events of the type SNS"), ("InlineCode: x", "InlineCode: and CodeUri exclude"),
        ("Events: {A: {Type: Api, Properties: {Path: /x, Method: get, Auth: {ApiKeyRequired: true}}}}", "Events.A.Properties.Auth: is not supported"),
        ("Environment: {Variables: {A: !Ref Nothing}}", "Environment.Variables.A: there is no parameter or resource 'Nothing'"),
        ("Environment: {Variables: {A: !GetAtt F.Version}}", "the attribute Version of F"), ("DeadLetterQueue: {Type: SNS, TargetArn: x}", "DeadLetterQueue.Type: must be SQS"),
        ("Layers: [!ImportValue x]", "Fn::ImportValue is not supported"), ("Environment: {Variables: {A: !GetAtt FUrl.FunctionUrl}}", "known only when it is there"),
        ("ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 1}", "needs AutoPublishAlias"), ("FunctionName: !Ref F", "refers to itself"),
        ("Timeout: [1]", "Timeout: must be a whole number"), ("PackageType: Image", "images are not supported"), ("FunctionUrlConfig: {}", "AuthType: is missing"),
        ("Events: {A: {Type: HttpApi, Properties: {ApiId: abc, Path: /x, Method: get}}}", "must refer to an API of this template"),
    ])
    func mistakesNameTheResourceAndTheProperty(_ property: String, _ words: String) throws {
        let told = try faults(withFunction(property))
        #expect(told.contains { $0.hasPrefix("Resources.F") && $0.contains(words) }, "\(told)")
    }

    @Test func allFaultsAreToldAtOnce() throws {
        let told = try faults(
            """
            Transform: AWS::Serverless-2016-10-31
            Rules: {}
            Parameters: {P: {Type: String}, N: {Type: Number, Default: x}}
            Resources:
              T: {Type: AWS::DynamoDB::Table, Properties: {}}
              L: {Type: AWS::Serverless::LayerVersion, Properties: {}}
              F: {Type: AWS::Serverless::Function, Properties: {Runtime: python3.11, CodeUri: "s3://b/k"}}
            """, ["Other": "1"])
        for words in [
            "Rules: this section", "Parameters.P: has no default", "Parameters.N: must be a number", "Parameters.Other: is not in the template",
            "Resources.T.Type: AWS::DynamoDB::Table is not supported", "Resources.L.Properties.ContentUri: is missing", "Resources.F.Properties.Handler: is missing",
            "Resources.F.Properties.CodeUri: must be a folder",
        ] { #expect(told.contains { $0.hasPrefix(words) }, "\(words) in \(told)") }
    }

    @Test func twoResourcesOfOneNameAreRefused() throws {
        let told = try faults(head + "  A: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}\n  B: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}\n")
        #expect(told == ["Resources.B: wants the same queue q as A"])
    }

    @Test func aDeadLetterQueueComesFirst() throws {
        let stack = try build(
            head + """
                  A: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt B.Arn, maxReceiveCount: 3}}}
                  B: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt C.Arn, maxReceiveCount: 3}}}
                  C: {Type: AWS::SQS::Queue}
                """)
        #expect(stack.names == ["queue shop-C", "queue shop-B", "queue shop-A"])
        #expect(stack[.queue, "shop-A"]?.properties["RedrivePolicy"]?["maxReceiveCount"] == .integer(3))
    }

    @Test func whatHasNoEffectIsNoted() throws {
        let stack = try build(withFunction("Policies: [AWSLambdaBasicExecutionRole], Tracing: Active"))
        #expect(stack.notes == ["Resources.F.Properties.Policies has no effect here", "Resources.F.Properties.Tracing has no effect here"])
    }
}

@Suite struct StackPlanTests {
    private let queue = StackResource(.queue, "q", logicalID: "Q", ["VisibilityTimeout": .string("30"), "RedrivePolicy": .null])
    private let function = StackResource(.function, "f", logicalID: "F", ["MemorySize": .integer(128)])
    private let alias = StackResource(.alias, "f:live", logicalID: "F", ["UpToDate": .bool(true)])

    private func present(_ resources: [StackResource], unrecorded: Bool = false) -> StackPlan.Present {
        StackPlan.Present(
            recorded: unrecorded ? [:] : Dictionary(uniqueKeysWithValues: resources.map { ($0.identity, $0.logicalID) }),
            properties: Dictionary(uniqueKeysWithValues: resources.map { ($0.identity, $0.properties) }))
    }

    private func words(_ plan: StackPlan) -> [String] { plan.steps.map { "\($0.action.rawValue) \($0.identity.name)" } }

    @Test func whatIsAsItShouldBeIsLeftAlone() throws {
        #expect(try StackPlan([queue, function], present([queue, function])).changes.isEmpty)
        #expect(words(try StackPlan([queue, function], .init())) == ["create q", "create f"])
    }

    @Test func onlyWhatDiffersIsChanged() throws {
        var changed = queue
        changed.properties["VisibilityTimeout"] = .string("60")
        let plan = try StackPlan([changed, function], present([queue, function]))
        #expect(words(plan) == ["change q", "keep f"])
        #expect(plan.steps[0].differences == [.init(property: "VisibilityTimeout", present: .string("30"), wanted: .string("60"))])
    }

    /// What someone else has changed meanwhile is put right.
    @Test func driftIsADifference() throws {
        var drifted = present([queue])
        drifted.properties[queue.identity]?["RedrivePolicy"] = .object([])
        #expect(words(try StackPlan([queue], drifted)) == ["change q"])
        drifted.properties[queue.identity] = nil
        #expect(words(try StackPlan([queue], drifted)) == ["create q"])
    }

    @Test func anAliasFollowsItsFunction() throws {
        var changed = function
        changed.properties["MemorySize"] = .integer(256)
        #expect(words(try StackPlan([changed, alias], present([function, alias]))) == ["change f", "change f:live"])
        #expect(try StackPlan([function, alias], present([function, alias])).changes.isEmpty)
    }

    @Test func whatIsNoLongerWantedGoesLastAndInOrder() throws {
        let plan = try StackPlan([], present([queue, function, alias]))
        #expect(words(plan) == ["delete f:live", "delete f", "delete q"])
        #expect(words(StackPlan(deleting: present([queue, alias]).recorded)) == ["delete f:live", "delete q"])
    }

    @Test func whatBelongsToSomeoneElseIsNotTouched() throws {
        #expect(throws: TemplateFaults.self) { try StackPlan([queue], present([queue], unrecorded: true)) }
    }
}

import FoundationEssentials
import FunctionModel
import LambdaAPI
import Testing

@Suite struct AliasRequestTests {
    private func request(_ json: String) throws -> AliasRequest { try LambdaJSON.decode(AliasRequest.self, from: Array(json.utf8)) }

    private func message(_ json: String) throws -> String? {
        let request = try request(json)
        do throws(ServiceError) {
            try request.validate(creating: true)
            return nil
        } catch {
            #expect(error.code == .invalidParameterValue)
            return error.message
        }
    }

    @Test func whatIsMissingAndWrongIsSaidTogether() throws {
        #expect(try message("{}")?.hasPrefix("2 validation errors detected: Value null at 'name'") == true)
        #expect(try message(#"{"Name":"12","FunctionVersion":"x"}"#)?.hasPrefix("2 validation errors detected: Value '12' at 'name'") == true)
        #expect(try message(#"{"Name":"live","FunctionVersion":"1"}"#) == nil)
    }

    @Test func weights() throws {
        func weights(_ map: String) -> String { #"{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":\#(map)}}"# }
        #expect(try message(weights(#"{"2":0.5,"3":0.1}"#)) == "Number of items in AdditionalVersionWeights cannot be greater than 1")
        #expect(try message(weights(#"{"2":1.5}"#))?.contains("Member must have value less than or equal to 1.0") == true)
        #expect(try message(weights(#"{"$LATEST":0.5}"#))?.contains("Map keys must satisfy constraint") == true)
        #expect(try request(weights(#"{"2":0.5}"#)).additional == .some(FunctionAlias.Share(version: "2", weight: 0.5)))
        #expect(try request(weights("{}")).additional == .some(nil))
        #expect(try request(#"{"Name":"a"}"#).additional == nil)
    }
}

@Suite struct FunctionURLRequestTests {
    private func cors(_ json: String) throws -> CORSPolicy?? {
        try LambdaJSON.decode(FunctionURLConfigRequest.self, from: Array(#"{"AuthType":"NONE","Cors":\#(json)}"#.utf8)).validated(creating: true).cors
    }

    @Test func anEmptyPolicyIsNone() throws {
        #expect(try cors("{}") == .some(nil))
        #expect(try cors(#"{"AllowOrigins":["*"],"MaxAge":5}"#) == .some(CORSPolicy(allowOrigins: ["*"], maxAge: 5)))
    }

    @Test(arguments: [
        #"{"MaxAge":86401}"#, #"{"MaxAge":-1}"#, #"{"AllowOrigins":[""]}"#, #"{"AllowMethods":["OPTIONS"]}"#,
        #"{"AllowMethods":["A","B","C","D","E","F","G"]}"#, #"{"AllowHeaders":["a\r\nb: c"]}"#,
    ])
    func whatIsOutOfRange(_ json: String) {
        #expect(throws: ServiceError.self) { try cors(json) }
    }
}

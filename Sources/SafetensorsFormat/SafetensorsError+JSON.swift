internal import FileBytes

extension SafetensorsError {
  /// The same refusal in this module's terms.
  init(_ error: JSONError) {
    let code: Code =
      switch error.code {
      case .malformed: .malformedJSON
      case .notUTF8: .notUTF8
      case .nestingTooDeep: .nestingTooDeep
      case .badNumber: .badNumber
      case .numberOverflow: .numberOverflow
      }
    self.init(code, error.fault)
    fault.remedy = Self.damagedRemedy
  }

  /// What helps when the text of a header or an index is wrong.
  static let damagedRemedy: Wording =
    "the file is damaged or was not written by a safetensors writer; fetch it again"

  /// Runs `body` with errors of the scanner in this module's terms.
  ///
  /// The scanner's visits pass on whatever their closures throw, which in this module is one of the two.
  static func translating<Value>(_ body: () throws -> Value) throws(SafetensorsError) -> Value {
    do {
      return try body()
    } catch let error as SafetensorsError {
      throw error
    } catch let error as JSONError {
      throw SafetensorsError(error)
    } catch {
      preconditionFailure("another error while scanning: \(error)")
    }
  }
}

extension JSONScanner {
  /// A scanner for the text of a header or an index, which other readers take apart strictly, too.
  static func strict(_ bytes: UnsafeRawBufferPointer, file: String) -> JSONScanner {
    JSONScanner(bytes, file: file, dialect: .strict, nestingLimit: 32)
  }

  /// An error of this module about the text at a position, that of the next byte by default.
  func refusal(
    _ code: SafetensorsError.Code, subject: String = "", expected: String, at place: Int? = nil
  ) -> SafetensorsError {
    var error = SafetensorsError(code, failure(subject: subject, expected: expected, at: place).fault)
    error.fault.remedy = SafetensorsError.damagedRemedy
    return error
  }
}

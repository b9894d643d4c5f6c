/// Upper and lower case, and what kinds of characters a text has, as Python's string methods do.
extension Text {
  var uppercased: Text { mapped { $0.properties.uppercaseMapping } }

  var lowercased: Text {
    if isASCII { return Text(utf8: utf8.map { 0x41...0x5A ~= $0 ? $0 + 0x20 : $0 }, isMarkup: isMarkup) }
    let scalars = self.scalars
    var result = Text(utf8: [], isMarkup: isMarkup)
    for index in scalars.indices { result.append(Self.lower(scalars, index)) }
    return result
  }

  private func mapped(_ mapping: (Unicode.Scalar) -> String) -> Text {
    var result = Text(utf8: [], isMarkup: isMarkup)
    for scalar in scalars { result.append(mapping(scalar)) }
    return result
  }

  /// Sigma has another form at the end of words.
  private static func lower(_ scalars: [Unicode.Scalar], _ index: Int) -> String {
    guard scalars[index] == "\u{3A3}" else { return scalars[index].properties.lowercaseMapping }
    let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
    let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
    let isFinal = before?.properties.isCased == true && after?.properties.isCased != true
    return isFinal ? "\u{3C2}" : "\u{3C3}"
  }

  /// The first character in title case, the others in lower case.
  var capitalized: Text {
    let scalars = self.scalars
    var result = Text(utf8: [], isMarkup: isMarkup)
    for index in scalars.indices {
      result.append(index == 0 ? scalars[0].properties.titlecaseMapping : Self.lower(scalars, index))
    }
    return result
  }

  /// `title()`: every first letter behind something that is none.
  var titled: Text {
    let scalars = self.scalars
    var result = Text(utf8: [], isMarkup: isMarkup)
    var isInside = false
    for index in scalars.indices {
      result.append(isInside ? Self.lower(scalars, index) : scalars[index].properties.titlecaseMapping)
      isInside = scalars[index].properties.isCased
    }
    return result
  }

  var caseSwapped: Text {
    let scalars = self.scalars
    var result = Text(utf8: [], isMarkup: isMarkup)
    for (index, scalar) in scalars.enumerated() {
      if scalar.properties.isUppercase {
        result.append(Self.lower(scalars, index))
      } else {
        result.append(scalar.properties.isLowercase ? scalar.properties.uppercaseMapping : String(scalar))
      }
    }
    return result
  }

  /// Whether there are cased characters, all of them lower case.
  var isLower: Bool {
    let cased = scalars.filter(\.isCasedLetter)
    return !cased.isEmpty && cased.allSatisfy(\.properties.isLowercase)
  }

  /// Whether there are cased characters, all of them upper case.
  var isUpper: Bool {
    let cased = scalars.filter(\.isCasedLetter)
    return !cased.isEmpty && cased.allSatisfy(\.properties.isUppercase)
  }

  /// Whether every word begins with upper case and goes on in lower case.
  var isTitle: Bool {
    var isInside = false
    var hasCased = false
    for scalar in scalars {
      let properties = scalar.properties
      if properties.isUppercase || properties.generalCategory == .titlecaseLetter {
        if isInside { return false }
        isInside = true
        hasCased = true
      } else if properties.isLowercase {
        if !isInside { return false }
        hasCased = true
      } else {
        isInside = false
      }
    }
    return hasCased
  }

  /// Whether the text is not empty and all its characters are of a kind.
  func consists(of kind: (Unicode.Scalar) -> Bool) -> Bool { !isEmpty && scalars.allSatisfy(kind) }
}

extension Unicode.Scalar {
  fileprivate var isCasedLetter: Bool {
    properties.isUppercase || properties.isLowercase || properties.generalCategory == .titlecaseLetter
  }

  var isPythonLetter: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  var isPythonDecimal: Bool { properties.generalCategory == .decimalNumber }
  var isPythonDigit: Bool { properties.numericType == .decimal || properties.numericType == .digit }
  var isPythonNumeric: Bool { properties.numericType != nil }

  /// Whether `repr` shows the character itself.
  var isPythonPrintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: self == " "
    default: true
    }
  }
}

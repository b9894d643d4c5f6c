import ModelEvaluation
import Testing

@Suite("Digits of coordinates")
struct ForcedTests {
  private static let digits = DigitTokens(tokens: (0...9).map { (100 + $0, "\($0)") })

  @Test("a digit in another place changes the number by its place value")
  func changes() {
    // The 3 of "x=-36.5" in a picture of 72: 06.5 to 96.5.
    let tens = AnswerTokens.Place(prefix: "-", suffix: "6.5", value: -36.5)
    let expected = (0...9).map { -100 * Double($0 * 10 - 30) / 72 }
    for (found, wanted) in zip(Self.digits.changes(tens, size: 72), expected) {
      #expect(abs(found - wanted) < 1e-9)
    }
    let units = AnswerTokens.Place(prefix: "3", suffix: "", value: 36)
    #expect(abs(Self.digits.changes(units, size: 72)[9] - 100 * 3 / 72) < 1e-9)
    // A change is never more than the whole picture.
    let hundreds = AnswerTokens.Place(prefix: "", suffix: "00", value: 100)
    #expect(Self.digits.changes(hundreds, size: 72)[9] == 100)
  }

  private func distribution(_ shares: [Int: Double]) -> [Double] { (0...9).map { shares[$0] ?? 0 } }

  @Test("expected errors and shifts")
  func scores() {
    let place = AnswerTokens.Place(prefix: "3", suffix: "", value: 36)
    let changes = Self.digits.changes(place, size: 100)
    let sure = distribution([6: 1])
    #expect(Self.digits.score(p: sure, q: sure, changes: changes).error == 0)
    #expect(Self.digits.score(p: sure, q: sure, changes: changes).shift == 0)
    // 0.9 on 6, 0.1 on 8: two units of a hundred in one of ten cases.
    let blurred = Self.digits.score(p: sure, q: distribution([6: 0.9, 8: 0.1]), changes: changes)
    #expect(abs(blurred.error - 0.2) < 1e-9 && abs(blurred.shift - 0.2) < 1e-9 && blurred.baseError == 0)
    // The base's own doubt is not the tested model's fault.
    let same = distribution([5: 0.5, 7: 0.5])
    let doubtful = Self.digits.score(p: same, q: same, changes: changes)
    #expect(abs(doubtful.error - 1) < 1e-9 && doubtful.error == doubtful.baseError && doubtful.shift == 0)
    // Mass that moves from 5 to 9 and back costs its way.
    let moved = Self.digits.score(p: distribution([5: 1]), q: distribution([9: 1]), changes: changes)
    #expect(abs(moved.shift - 4) < 1e-9)
    let none = Self.digits.score(p: sure, q: distribution([:]), changes: changes)
    #expect(none.shift == 0 && none.error == 0 && none.count == 1)
  }
}

import Foundation
import ModelEvaluation
import TestSupport
import Testing

@Suite("Intervals over independent units")
struct JackknifeTests {
  @Test(
    "Student's t quantiles are those of the tables, and go over into the expansion without a step",
    arguments: [
      (1, 12.706205), (1.5, 6.016663), (2, 4.302653), (2.5, 3.574655), (3, 3.182446), (4, 2.776445),
      (7, 2.364624), (10, 2.228139),
      (15, 2.131450), (31, 2.039513), (100, 1.983972), (200, 1.971896), (201, 1.971837), (1000, 1.962339),
      (1_000_000, 1.959966),
    ])
  func quantiles(_ freedom: Double, _ expected: Double) {
    // Interpolated ones within three percent.
    let tolerance = freedom == freedom.rounded() ? 1.5e-6 : 0.03 * expected
    #expect(abs(StudentQuantile.twoSided95(degreesOfFreedom: freedom) - expected) < tolerance)
  }

  @Test("On the plain scale a mean has the ordinary t interval")
  func plain() throws {
    let values = [3.0, -1, 4, 1, 5, -9, 2, 6]
    let estimate = try #require(Jackknife.mean(values, scale: .plain))
    // Mean 11/8; variance (173 - 121/8) / 7; t with 7 degrees of freedom.
    let reach = 2.3646242 * ((173 - 121.0 / 8) / 7 / 8).squareRoot()
    let interval = try #require(estimate.interval95)
    #expect(abs(estimate.value - 1.375) < 1e-12)
    #expect(abs(interval.lowerBound - (1.375 - reach)) < 1e-6)
    #expect(abs(interval.upperBound - (1.375 + reach)) < 1e-6)
  }

  @Test("On the logarithmic scale intervals hold the value, stay above 0, and scale with it")
  func logarithmic() throws {
    for values in [[0.001, 0.9], [0.1, 0.2, 0.15], [1e-9, 2e-9, 1e-3, 1e-8], [0, 0, 0, 1, 0]] {
      let estimate = try #require(Jackknife.mean(values, scale: .logarithmic))
      let interval = try #require(estimate.interval95, "\(values)")
      #expect(interval.lowerBound > 0 && interval.contains(estimate.value) && interval.upperBound.isFinite)
      let larger = try #require(Jackknife.mean(values.map { 1000 * $0 }, scale: .logarithmic)?.interval95)
      #expect(abs(larger.lowerBound / interval.lowerBound / 1000 - 1) < 1e-9)
      #expect(abs(larger.upperBound / interval.upperBound / 1000 - 1) < 1e-9)
    }
  }

  @Test("Shares stay between 0 and 1, and mirror")
  func shares() throws {
    for values in [[0.9, 1, 1, 1], [0, 0, 0.001, 0], [0.5, 0.6, 0.1], [1, 1, 1, 0]] {
      let interval = try #require(Jackknife.mean(values, scale: .logistic)?.interval95, "\(values)")
      #expect(interval.lowerBound >= 0 && interval.upperBound <= 1)
      let mirrored = try #require(Jackknife.mean(values.map { 1 - $0 }, scale: .logistic)?.interval95)
      #expect(abs(mirrored.lowerBound + interval.upperBound - 1) < 1e-9)
    }
  }

  @Test("Where the sample tells nothing there is no interval, and the value stays")
  func none() {
    #expect(Jackknife.mean([0.3], scale: .logarithmic) == Estimate(0.3))
    #expect(Jackknife.mean([0, 0, 0], scale: .logarithmic) == Estimate(0))
    #expect(Jackknife.mean([1, 1], scale: .logistic) == Estimate(1))
    #expect(Jackknife.mean([0.25, 0.25, 0.25], scale: .plain) == Estimate(0.25))
    #expect(Jackknife.mean([], scale: .plain) == nil)
    #expect(Jackknife.ratio([(1, 0), (0, 0)], scale: .plain) == nil)
    // A unit without weight is none.
    #expect(Jackknife.ratio([(1, 4), (0, 0)], scale: .logarithmic) == Estimate(0.25))
  }

  @Test("Ratios weigh units by their denominators; equal ratios leave no doubt worth mentioning")
  func ratios() throws {
    let equal = try #require(Jackknife.ratio([(1, 10), (9, 90), (3, 30)], scale: .logarithmic))
    #expect(abs(equal.value - 0.1) < 1e-12)
    if let interval = equal.interval95 { #expect(interval.upperBound - interval.lowerBound < 1e-9) }
    let mixed = try #require(Jackknife.ratio([(1, 10), (18, 90), (2, 30)], scale: .logarithmic))
    #expect(abs(mixed.value - 21.0 / 130) < 1e-12)
  }

  @Test("Units of little weight are no evidence: one that outweighs the others leaves a wide interval")
  func weights() throws {
    func factor(_ parts: [(Double, Double)]) throws -> Double {
      let interval = try #require(
        Jackknife.ratio(parts.map { (numerator: $0.0, denominator: $0.1) }, scale: .logarithmic)?.interval95)
      return interval.upperBound / interval.lowerBound
    }
    let even = (0..<12).map { (0.9 + 0.2 * Double($0 % 2), 1.0) }
    let uneven = even.enumerated().map { $0 == 0 ? ($1.0 * 30, 30.0) : $1 }
    #expect(try factor(uneven) > 1.5 * factor(even))
  }

  @Test("Intervals shrink with the square root of the number of units, and do not depend on their order")
  func size() throws {
    func values(_ count: Int) -> [Double] { (0..<count).map { 1 + Double($0 % 7) } }
    func width(_ values: [Double], _ scale: EstimateScale) throws -> Double {
      let interval = try #require(Jackknife.mean(values, scale: scale)?.interval95)
      return interval.upperBound - interval.lowerBound
    }
    #expect(try width(values(700), .logarithmic) < width(values(28), .logarithmic) / 4)
    // The standard error of the mean of 700 values with deviation 2 is 0.0756.
    #expect(try abs(width(values(700), .plain) / 2 / 1.9634 - 0.0756) < 1e-3)
    let forth = try width(values(28), .logarithmic)
    #expect(try abs(width(values(28).reversed(), .logarithmic) - forth) < 1e-9)
  }

  @Test("An estimate is written as a value and two ends, or without ends")
  func json() throws {
    func text(_ estimate: Estimate) throws -> String {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      return String(decoding: try encoder.encode(estimate), as: UTF8.self)
    }
    #expect(try text(Estimate(0.5, 0.25...0.75)) == #"{"interval95":[0.25,0.75],"value":0.5}"#)
    #expect(try text(Estimate(0.5)) == #"{"value":0.5}"#)
  }
}

internal import CQuantKernels
internal import Foundation

/// A set of instructions that the kernels exist for.
///
/// All levels return the same bits; they differ in speed only.
public enum KernelLevel: String, CaseIterable, Hashable, Sendable {
  /// What every CPU of the architecture has: four lanes.
  case portable
  /// x86-64 with AVX2: eight lanes.
  case avx2
  /// x86-64 with AVX-512 F, BW, DQ and VL: sixteen lanes.
  case avx512
  /// AArch64: four lanes.
  case neon
  /// The sixteen-lane code on AVX2: never chosen by itself, there for tests.
  case wideAVX2 = "wide-avx2"

  /// The environment variable that forces a level.
  public static let environmentVariable = "POUCH_KERNEL_LEVEL"

  /// The number that the C target knows the level by.
  var index: Int32 {
    switch self {
    case .portable: Int32(CQK_LEVEL_PORTABLE)
    case .avx2: Int32(CQK_LEVEL_AVX2)
    case .avx512: Int32(CQK_LEVEL_AVX512)
    case .neon: Int32(CQK_LEVEL_NEON)
    case .wideAVX2: Int32(CQK_LEVEL_WIDE_AVX2)
    }
  }

  /// True when this machine can run the level.
  public var isAvailable: Bool { cqk_level_available(index) }

  /// The levels that this machine can run, slowest first.
  public static var available: [KernelLevel] { allCases.filter(\.isAvailable) }

  /// The level in use: the one asked for by the environment variable, or else the best one.
  ///
  /// A name that is unknown or not available here is not followed; see ``rejectedRequest``.
  public static let current: KernelLevel = request.level ?? best

  /// The content of the environment variable, when it could not be followed.
  package static let rejectedRequest: String? = request.rejected

  /// The fastest available level.
  public static var best: KernelLevel {
    let order: [KernelLevel] = [.avx512, .avx2, .neon]
    return order.first(where: \.isAvailable) ?? .portable
  }

  private static let request: (level: KernelLevel?, rejected: String?) = {
    guard let name = ProcessInfo.processInfo.environment[environmentVariable], !name.isEmpty else {
      return (nil, nil)
    }
    guard let level = KernelLevel(rawValue: name.lowercased()), level.isAvailable else { return (nil, name) }
    return (level, nil)
  }()
}

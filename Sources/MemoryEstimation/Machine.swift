public import FileBytes

/// How much memory there is for a model.
public struct Machine: Codable, Hashable, Sendable {
  /// A name such as `macbook-32`, or the size given.
  public var name: String
  /// Installed memory in bytes.
  public var installedBytes: Int
  /// What the system and other programs keep.
  public var reservedBytes: Int
  /// Why so much.
  public var rule: String
  /// Whether llama.cpp's CPU backend with its repacked copies runs there.
  public var usesRepackedWeights: Bool

  /// Bytes for the model and all that belongs to it.
  public var availableBytes: Int { max(0, installedBytes - reservedBytes) }

  /// Bytes for programs that compute on the processor: all but 1/16, at least 1 GiB, or the reserve where less stays.
  package var availableForPrograms: Int {
    max(availableBytes, installedBytes - max(installedBytes / 16, 1 << 30))
  }

  /// Creates a machine.
  init(name: String, installedBytes: Int, reservedBytes: Int, rule: String, usesRepackedWeights: Bool = false)
  {
    self.name = name
    self.installedBytes = installedBytes
    self.reservedBytes = reservedBytes
    self.rule = rule
    self.usesRepackedWeights = usesRepackedWeights
  }

  /// The sizes of the presets in GiB.
  private static let macSizes = [8, 16, 18, 24, 32, 36, 48, 64, 96, 128, 192, 256, 512]
  private static let linuxSizes = [8, 16, 32, 64, 96, 128, 192, 256, 512]

  /// The names of all presets.
  public static var presetNames: [String] {
    macSizes.map { "macbook-\($0)" } + linuxSizes.map { "linux-\($0)" }
  }

  /// A preset by name.
  ///
  /// macOS lets the GPU keep two thirds of the memory resident up to 36 GB, three quarters above: what Metal reports as
  /// `recommendedMaxWorkingSetSize` (10,922 MiB of 16 GB, 49,152 MiB of 64 GB); newer systems allow somewhat more, and
  /// `sysctl iogpu.wired_limit_mb` raises it. A Linux machine keeps 1/16 and at least 1 GiB.
  ///
  /// - Throws: ``EstimationError`` with `badOption`, naming the presets.
  public static func preset(_ name: String) throws -> Machine {
    let wanted = name.lowercased().replacing("mac-", with: "macbook-")
    guard presetNames.contains(wanted), let size = wanted.split(separator: "-").last.flatMap({ Int($0) })
    else {
      throw EstimationError(
        .badOption,
        Fault(
          subject: "\(.machine)", expected: "one of \(presetNames.joined(separator: ", "))", found: "\(name)",
          remedy: "or give \(.machineMemory)"))
    }
    let installed = size << 30
    if wanted.hasPrefix("linux") {
      return Machine(
        name: wanted, installedBytes: installed, reservedBytes: max(installed / 16, 1 << 30),
        rule: "1/16 of the memory, at least 1 GiB, for the system", usesRepackedWeights: true)
    }
    let limit = size <= 36 ? installed / 3 * 2 : installed / 4 * 3
    return Machine(
      name: wanted, installedBytes: installed, reservedBytes: installed - limit,
      rule: "macOS gives the GPU \(size <= 36 ? "two thirds" : "three quarters") of it (iogpu.wired_limit_mb)"
    )
  }

  /// A machine with a size and a reserve.
  ///
  /// - Parameters:
  ///   - bytes: The size.
  ///   - reserve: What the system keeps; by the rule of Linux machines when `nil`.
  ///   - setting: What messages call the size.
  /// - Returns: The machine.
  /// - Throws: ``EstimationError`` with `badOption`.
  public static func memory(_ bytes: Int, reserve: Int?, setting: Setting = .machineMemory) throws -> Machine
  {
    let reserved = reserve ?? max(bytes / 16, 1 << 30)
    guard bytes > 0, reserved >= 0, reserved < bytes else {
      throw EstimationError(
        .badOption,
        Fault(
          subject: reserve == nil ? Wording(setting) : "\(setting), \(.reserve)",
          expected: reserve == nil
            ? "more than the 1 GiB that the system keeps" : "a reserve below the memory",
          found: reserve == nil ? "\(bytes) bytes" : "\(bytes) and \(reserved) bytes",
          remedy: (1...9999).contains(bytes) ? "give a unit, such as \(bytes)GB" : ""))
    }
    return Machine(
      name: "memory", installedBytes: bytes, reservedBytes: reserved,
      rule: reserve == nil ? "1/16 of the memory, at least 1 GiB, for the system" : "as given")
  }
}

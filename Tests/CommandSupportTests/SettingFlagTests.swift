import CommandSupport
import FileBytes
import Foundation
import TestSupport
import Testing

/// What commands make of settings in messages of libraries.
@Suite("Settings as flags")
struct SettingFlagTests {
  @Test("every setting has a flag of its own, which the help of a command lists")
  func flags() throws {
    let folder = RepositoryFiles.path("Tests/CommandTests/Snapshots")
    let help = try FileManager.default.contentsOfDirectory(atPath: folder).filter {
      $0.hasSuffix(".help.txt")
    }
    .map { try String(contentsOfFile: folder + "/" + $0, encoding: .utf8) }.joined(separator: "\n")
    // Lines of options begin with their flags, short ones first.
    let listed = Set(
      help.matches(of: /(?m)^  (-[a-zA-Z-]+)(, (-[a-zA-Z-]+))?(, (-[a-zA-Z-]+))?/)
        .flatMap { [$0.1, $0.3, $0.5].compactMap(\.self).map(String.init) }
        // Flags that can be inverted are listed as `--mtp/--no-mtp`.
        + help.matches(of: /\/(--[a-z-]+)/).map { String($0.1) })
    #expect(Set(Setting.allCases.map(\.flag)).count == Setting.allCases.count)
    for setting in Setting.allCases { #expect(listed.contains(setting.flag), "\(setting.flag)") }
  }

  @Test(
    "messages of libraries are printed with flags",
    arguments: [
      (
        "replace it with \(.overwrites), or choose another name",
        "replace it with --force, or choose another name"
      ),
      ("give another \(.outputFolder), or \(.overwrites)", "give another --out, or --force"),
      ("caches (\(.keyType) q8_0 \(.valueType) q8_0)", "caches (-ctk q8_0 -ctv q8_0)"),
      (
        "give the name with \(.preTokenizer), such as \(.preTokenizer) qwen2",
        "give the name with --pre, such as --pre qwen2"
      ),
      (
        "use a longer text, more \(.windowCount) or a shorter \(.windowLength)",
        "use a longer text, more --chunks or a shorter --window"
      ),
      ("relax \(.candidateTypes), \(.leastTypes) or \(.uniformRoles)", "relax --types, --least or --uniform"),
      (
        "give \(.noNoiseFloor) and no \(.sampleCount), or the folder of a run",
        "give --no-floor and no --samples, or the folder of a run"
      ),
      (
        "make one by a run with \(.baseProbabilities) and without \(.divergence)",
        "make one by a run with --kl-divergence-base and without --kl-divergence"
      ),
      ("name it with \(.baseModel) org/name", "name it with --base-model org/name"),
      ("or leave it out with \(.trunkAlone)", "or leave it out with --no-mtp"),
    ] as [(Wording, String)])
  func messages(_ wording: Wording, _ text: String) throws {
    #expect(wording.commandText == text)
    #expect(!wording.description.contains("-"), "\(wording.description)")
    #expect(try JSONText.encode([wording]).contains("\"\(text)\""))
  }
}

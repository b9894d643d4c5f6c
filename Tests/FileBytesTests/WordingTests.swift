import FileBytes
import Foundation
import Testing

/// Texts that name settings.
@Suite("Wordings")
struct WordingTests {
  private let remedy: Wording = "raise \(.maxMemory) or lower \(.threads), now \(8)"

  @Test("settings are in the library's words until someone else's are wanted")
  func words() {
    #expect(remedy.description == "raise the memory limit or lower the number of threads, now 8")
    #expect(remedy.settings == [.maxMemory, .threads])
    let flags = remedy.worded { "--\($0 == .threads ? "threads" : "other")" }
    #expect(flags == "raise --other or lower --threads, now 8" && flags.settings.isEmpty)
  }

  @Test("equal texts are equal however they were put together")
  func equality() {
    let parts: [Wording] = ["raise ", "", Wording(.maxMemory), " or lower ", "\(.threads)", ", now ", "8"]
    #expect(parts.joined() == remedy && parts.joined().hashValue == remedy.hashValue)
    #expect("say: \(remedy)" as Wording == "say: " + remedy)
    #expect(Wording(remedy.description) != remedy)
    #expect(Wording("").isEmpty && ("" as Wording).settings.isEmpty && !remedy.isEmpty)
    #expect((["a", "b"] as [Wording]).joined(separator: ", ") == "a, b")
  }

  @Test("JSON has the words that the encoder is told, and is read as text")
  func json() throws {
    let encoder = JSONEncoder()
    #expect(String(decoding: try encoder.encode([remedy]), as: UTF8.self) == "[\"\(remedy.description)\"]")
    let flag: @Sendable (Setting) -> String = { _ in "-x" }
    encoder.userInfo[try #require(Wording.settingWords)] = flag
    let bytes = try encoder.encode([remedy])
    #expect(String(decoding: bytes, as: UTF8.self) == #"["raise -x or lower -x, now 8"]"#)
    #expect(try JSONDecoder().decode([Wording].self, from: bytes) == ["raise -x or lower -x, now 8"])
  }

  @Test("all parts of a fault are worded")
  func faults() {
    let fault = Fault(
      file: "a \(Setting.threads.description)", subject: "\(.part)", expected: "\(.join)", found: "\(.mode)",
      problems: ["\(.seed)", "two"], remedy: "\(.strict)")
    #expect(
      fault.description
        == "a the number of threads: parts: expected joining, found the mode: the seed; two (strict checks)")
    let worded = fault.worded { _ in "-x" }
    #expect(worded.description == "a the number of threads: -x: expected -x, found -x: -x; two (-x)")
    #expect(
      worded.lines.map(\.description)
        == ["a the number of threads: -x: expected -x, found -x:", "  -x", "  two", "  (-x)"])
    let plain = Fault(subject: String("s"), expected: "e", found: "f")
    #expect(
      plain.lines == ["s: expected e, found f"] && plain == Fault(subject: "s", expected: "e", found: "f"))
  }

  @Test("a fingerprint tells of settings as settings, from its file, too")
  func fingerprints() {
    func job(_ mode: String, seed: Int?) -> Fingerprint {
      var job = Fingerprint(task: "t", version: "1")
      job.add(.mode, mode)
      if let seed { job.add(.seed, "\(seed)") }
      return job
    }
    let differences = job("fast", seed: 1).differences(from: job("exact", seed: nil))
    #expect(differences == ["\(.mode) (fast, now exact)", "\(.seed) (none now)"])
  }

  @Test("every setting has a phrase of its own")
  func phrases() {
    let phrases = Setting.allCases.map(\.description)
    #expect(Set(phrases).count == phrases.count)
    for phrase in phrases {
      #expect(!phrase.isEmpty && phrase.trimmingCharacters(in: .whitespaces) == phrase)
      #expect(!phrase.hasPrefix("-") && !phrase.contains(" -"), "\(phrase)")
    }
  }
}

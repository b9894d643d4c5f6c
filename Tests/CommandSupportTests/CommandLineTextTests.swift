import CommandSupport
import FileBytes
import Testing

/// Commands that messages show.
@Suite("Commands in messages")
struct CommandLineTextTests {
  @Test("a part's command has the part in place of the join, and words as a shell takes them")
  func making() throws {
    let part = try #require(RunPart("2/4"))
    #expect(
      CommandLineText.making(part, in: ["/bin/pouch-convert", "--join", "my model", "--outfile", "it's"])
        == #"pouch-convert 'my model' --outfile 'it'\''s' --part 2/4"#)
    #expect(
      CommandLineText.making(
        part, ["--resume", "s 2"], in: ["pouch-perplexity", "-m", "a", "--join", "s1", "s3", "-c", "64"])
        == "pouch-perplexity -m a -c 64 --part 2/4 --resume 's 2'")
    #expect(
      CommandLineText.making(
        part, ["--out", "b"], in: ["pouch-svg-eval", "--out", "a", "-q", "--join", "x", "y"])
        == "pouch-svg-eval -q --part 2/4 --out b")
  }

  @Test("the join's command has no part")
  func joining() {
    for flag in [["--part", "2/4"], ["--part=2/4"]] {
      #expect(
        CommandLineText.joining(in: ["pouch-convert"] + flag + ["model", "--outtype", "q8_0"])
          == "pouch-convert model --outtype q8_0 --join")
      #expect(
        CommandLineText.joining(
          without: ["--resume"], ["STATES"], in: ["pouch-perplexity", "--resume", "s", "-m", "a"] + flag)
          == "pouch-perplexity -m a --join STATES")
    }
  }
}

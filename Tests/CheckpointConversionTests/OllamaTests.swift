import CheckpointConversion
import FileBytes
import Foundation
import QuantRecipes
import TestSupport
import Testing

/// Modelfiles: the grammar, and what is written of models.
@Suite struct OllamaTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func aFileIsReadAsItsGrammarSays() throws {
    let text = """
      # A comment, with "quotes
      from ./a model.gguf
        FROM "./ b.gguf "

      Parameter temperature 0.5
      PARAMETER stop "<|im_end|>"
      MESSAGE user Is it?
      TEMPLATE \"""{{ .System }}
      "said" {{ .Prompt }}\"""
      LICENSE \"""
      Line one
      \"""
      """
    let file = try Modelfile(parsing: text)
    #expect(
      file.instructions == [
        .init("from", "./a model.gguf"), .init("from", "./ b.gguf "), .init("parameter temperature", "0.5"),
        .init("parameter stop", "<|im_end|>"), .init("message user", "Is it?"),
        .init("template", "{{ .System }}\n\"said\" {{ .Prompt }}"), .init("license", "\nLine one\n"),
      ])
  }

  @Test(arguments: [
    ("", "FROM"), ("PARAMETER top_k 1", "FROM"), ("FORM x", "instruction"), ("FROM", "a word and a blank"),
    ("FROM x\nPARAMETER 9-9 x", "a word and a blank"), ("FROM x\nLICENSE \"\"\"open\nand on", "closed"),
    ("FROM x\nLICENSE \"open", "closed"), ("FROM x\nSYSTEM\n", "a word and a blank"),
  ])
  func whatIsNoFileIsRefused(text: String, expected: String) {
    let error = #expect(throws: ConversionError.self) { try Modelfile(parsing: text) }
    #expect(error?.code == .badModelfile && error?.fault.expected.contains(expected) == true)
  }

  @Test(arguments: [
    ("plain", "plain"), ("two words", "two words"), ("a \"b\" c", "a \"b\" c"),
    ("\"b\" c", "\"\"\"\"b\" c\"\"\""),
    (" blank", "\" blank\""), ("", ""), ("one\ntwo", "\"one\ntwo\""),
    ("says \"x\"\ntwo", "\"\"\"says \"x\"\ntwo\"\"\""), ("\"x\"\ntwo", "\"\"\"\"x\"\ntwo\"\"\""),
    ("say \"\"\" x\ntwo", "\"\"\"say \"\"\" x\ntwo\"\"\""), ("tab\tin", "tab\tin"), ("\r\n", "\"\r\n\""),
  ])
  func valuesAreQuotedAsNeeded(value: String, written: String) throws {
    #expect(Modelfile.quoted(value) == written)
    let file = Modelfile([.init("from", value), .init("parameter stop", value), .init("system", "x")])
    #expect(try Modelfile(parsing: try file.text()) == file)
  }

  @Test(arguments: ["a\u{0}b", "no\u{A0}break", "page\u{C}feed", "x\"\ny\"\"\"\nz"])
  func whatNoValueCanHoldIsRefused(value: String) {
    #expect(Modelfile.quoted(value) == nil)
    let error = #expect(throws: ConversionError.self) { try Modelfile([.init("from", value)]).text() }
    #expect(error?.code == .badModelfile)
  }

  @Test func writtenValuesAreReadBack() throws {
    var generator = SeededGenerator(seed: 17)
    let pieces = ["a", " ", "\"", "\"\"\"", "\n", "é", "\t", "#", "\\", "FROM x", "\u{301}", "😀", "\r"]
    var held = 0
    for _ in 0..<2000 {
      let value = (0..<Int.random(in: 0...7, using: &generator)).map { _ in
        pieces.randomElement(using: &generator) ?? ""
      }.joined()
      guard Modelfile.quoted(value) != nil else { continue }
      held += 1
      let file = Modelfile([
        .init("license", value), .init("from", "./x.gguf"), .init("parameter stop", value),
      ])
      let read = try Modelfile(parsing: try file.text())
      #expect(read.instructions.count == 3, "\(value.debugDescription)")
      #expect(
        read.instructions.map { Array($0.value.utf8) } == file.instructions.map { Array($0.value.utf8) },
        "\(value.debugDescription)")
    }
    #expect(held > 1000)
  }

  /// ChatML in Jinja, with what families put around it.
  private func jinja(trim: Bool = false, start: String = "", more: String = "") -> String {
    let content = "message['content']" + (trim ? " | trim" : "")
    return more
      + "{%- for message in messages %}{{- '<|im_start|>' + message['role'] + '\\n' + (\(content)) + "
      + "'<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n\(start)' }}"
      + "{%- endif %}"
  }

  private func find(_ template: String?, _ architecture: String) -> OllamaChat {
    OllamaChat.find(template, architecture: architecture, bos: "", eos: "<|im_end|>")
  }

  @Test func renderersAreNamedOnlyWhereTheyWriteTheSame() {
    let think =
      "<think>\\n' if enable_thinking is not defined or enable_thinking else '<think>\\n\\n</think>\\n\\n"
    let tools = "{%- if tools %}<function={%- endif %}"
    // The form of Qwen3.5's template.
    let own = jinja(trim: true, more: tools).replacing(
      "'<|im_start|>assistant\\n'", with: "('<|im_start|>assistant\\n' + ('\(think)'))")
    #expect(find(own, "qwen35moe") == .renderer("qwen3.5", parser: "qwen3.5"))
    #expect(find(own, "qwen35") == .renderer("qwen3.5", parser: "qwen3.5"))
    func isNone(_ template: String?, _ architecture: String) -> Bool {
      if case .none = find(template, architecture) { true } else { false }
    }
    // Another family, other white space, other tools.
    #expect(isNone(own, "llama"))
    #expect(isNone(own.replacing(" | trim", with: ""), "qwen35"))
    #expect(isNone(own.replacing("function=", with: "call="), "qwen35"))
    #expect(isNone(own.replacing("im_end", with: "im_stop"), "qwen35"))
    let vision = "{%- if tools %}<function-name>{%- endif %}"
    #expect(
      find(jinja(more: vision), "qwen3vl") == .renderer("qwen3-vl-instruct", parser: "qwen3-vl-instruct"))
    #expect(
      find(jinja(start: "<think>\\n", more: vision), "qwen3vlmoe")
        == .renderer("qwen3-vl-thinking", parser: "qwen3-vl-thinking"))
    #expect(isNone(nil, "qwen35"))
    #expect(isNone("{% broken", "qwen35"))
  }

  @Test func aTemplateIsWrittenForPlainChatMLAlone() throws {
    guard case .template(let text) = find(jinja(), "llama") else {
      Issue.record("no template")
      return
    }
    #expect(text.contains("{{ .Content }}<|im_end|>") && Modelfile.quoted(text) != nil)
    for other in [
      jinja(trim: true), jinja(start: "Sure, "), jinja(more: "{{- 'Be kind. ' }}"),
      jinja(more: "{%- if tools %}x{%- endif %}"),
    ] {
      if case .template = find(other, "llama") { Issue.record("a template for \(other)") }
    }
  }

  private func modelfile(_ source: String, _ output: String, contextLength: Int? = nil) throws -> Modelfile {
    var request = ConversionRequest(source: source, outputType: .mix(.q4_K_M))
    request.outputPath = folder.path(output)
    let plan = try ConversionPlanner.prepareCheckpoint(request).plan
    let file = try Modelfile(plan: plan, checkpoint: source, contextLength: contextLength)
    #expect(try Modelfile(parsing: try file.text()).instructions == file.instructions)
    return file
  }

  @Test func theSampleHasItsSettings() throws {
    let file = try modelfile(SampleTests.sample, "pelican \"odd\".gguf", contextLength: 4096)
    #expect(
      try file.text() == """
        FROM ./pelican "odd".gguf
        TEMPLATE "{{ range .Messages }}<|im_start|>{{ .Role }}
        {{ .Content }}<|im_end|>
        {{ end }}<|im_start|>assistant
        "
        PARAMETER temperature 0.6
        PARAMETER top_k 20
        PARAMETER top_p 0.95
        PARAMETER num_ctx 4096
        PARAMETER stop <|im_end|>
        PARAMETER stop <|endoftext|>

        """)
  }

  @Test func licenseTowerAndGreedySettingsAreTaken() throws {
    let copy = folder.path("model")
    try FileManager.default.copyItem(atPath: SampleTests.sample, toPath: copy)
    func write(_ name: String, _ text: String) throws {
      try Data(text.utf8).write(to: URL(fileURLWithPath: copy + "/" + name))
    }
    try write("LICENSE", "The \"Licence\"\u{C}\r\n  Version 2\r\n")
    try write("generation_config.json", #"{"do_sample": false, "temperature": 0.6, "presence_penalty": 1.5}"#)
    var settings = try #require(try JSONValue(contentsOf: copy + "/tokenizer_config.json").members)
    settings["chat_template"] = .string(jinja(more: "{%- if tools %}x{%- endif %}"))
    try write("tokenizer_config.json", JSONValue.object(settings).indentedText)
    let golden = try #require(VisionTests.Golden.all.first { $0.name == "qwen3_5-tower" })
    for (type, name) in [("q8_0", "Model"), ("f16", "Model"), ("f16", "Other")] {
      var tower = ConversionRequest(source: golden.folder, outputType: .auto)
      tower.outputPath = folder.path("mmproj-\(name)-\(type).gguf")
      tower.modelName = name
      let prepared = try ConversionPlanner.prepareVision(
        tower, outputs: [OutputChoice(.mix(try StockMix(name: type)))])
      _ = try prepared[0].executor.run(ExecutionOptions(threadCount: 1))
    }
    let file = try modelfile(copy, "out.gguf")
    #expect(file.comments.count == 1 && file.comments[0].hasPrefix("No TEMPLATE"))
    #expect(
      file.instructions == [
        .init("from", "./out.gguf"), .init("from", "./mmproj-Model-f16.gguf"),
        .init("parameter temperature", "0"), .init("parameter presence_penalty", "1.5"),
        .init("parameter stop", "<|im_end|>"), .init("license", "The \"Licence\"\n  Version 2\n"),
      ])
  }
}

import FileBytes
import Foundation
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// Conversations rendered as Jinja renders them; the expected texts are made by `scripts/conformance-templates.py`.
@Suite struct ChatTemplateTests {
  static let names = [
    "sample", "chatml-system", "qwen2", "qwen3", "qwen3-thinking", "qwen35", "llama2", "llama3", "llama31",
    "mistral", "mistral-last", "mixtral",
  ]

  private func source(_ name: String) throws -> String {
    let url = try #require(
      Bundle.module.url(forResource: name, withExtension: "jinja", subdirectory: "Golden/templates"))
    return try String(contentsOf: url, encoding: .utf8)
  }

  @Test(arguments: names) func rendersAsJinja(name: String) throws {
    let file = try Goldens.json("templates")
    let talks = try #require(file["conversations"] as? [[[String: String]]])
    let entry = try #require((file["templates"] as? [String: Any])?[name] as? [String: Any])
    let texts = try #require(entry["texts"] as? [[Any]])
    let template = try ChatTemplate(try source(name), bos: "<s>", eos: "</s>")
    #expect(texts.count == talks.count)
    for (talk, golden) in zip(talks, texts) {
      let different = try #require(golden.first as? [Any])
      let indices = try #require(golden.last as? [Int])
      let messages = talk.map {
        ChatMessage(role: $0["role"] ?? "", content: $0["content"] ?? "", reasoning: $0["reasoning_content"])
      }
      var case_ = 0
      for prompt in [false, true] {
        for thinking in [ChatTemplate.Thinking.modelDefault, .on, .off] {
          let want = different[indices[case_]] as? String
          let found = try? template.render(messages, addGenerationPrompt: prompt, thinking: thinking)
          #expect(
            found.map { Array($0.utf8) } == want.map { Array($0.utf8) }, "\(name), \(thinking): \(talk)")
          case_ += 1
        }
      }
    }
  }

  @Test func templatesThatCannotBeReadAreRefused() throws {
    let broken: [(String, TokenizerError.Code, String)] = [
      ("{{ messages", .invalidValue, "line 1"), ("a\n{% if %}", .invalidValue, "line 2"),
      ("{{ messages | odd_filter }}", .invalidValue, "odd_filter"), ("'\n\n{# open", .invalidValue, "line 3"),
      ("{% include 'x' %}", .notSupported, "{% include %}"),
      ("{{ 'a'.x(99999999999999999999) }}", .notSupported, "64 bits"),
      (String(repeating: "{{ '<|im_start|>' }}", count: 60_000), .notSupported, "bytes"),
    ]
    for (source, code, part) in broken {
      let error = #expect(throws: TokenizerError.self) { try ChatTemplate(source) }
      #expect(error?.code == code)
      #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
      #expect(error?.fault.remedy.settings == [.rawPrompts])
    }
  }

  @Test func aTemplateThatGoesThroughItsToolsGetsAnEmptyList() throws {
    let template = try ChatTemplate(
      "{% for tool in tools %}{{ tool }}{% endfor %}{% for m in messages %}{{ m.content }};{% endfor %}")
    #expect(
      try template.render([ChatMessage(role: "user", content: "hi")], addGenerationPrompt: true) == "hi;")
    let careful = try ChatTemplate("{% if tools is none %}none{% endif %}{{ messages[0].content }}")
    #expect(
      try careful.render([ChatMessage(role: "user", content: "a")], addGenerationPrompt: true) == "nonea")
  }

  @Test func refusedConversationsSayWhy() throws {
    let template = try ChatTemplate(try source("mixtral"), bos: "<s>", eos: "</s>")
    let refusal = #expect(throws: TokenizerError.self) {
      try template.render([ChatMessage(role: "assistant", content: "x")], addGenerationPrompt: true)
    }
    #expect(refusal?.code == .invalidValue)
    #expect(refusal?.fault.subject == "conversation")
    #expect(refusal?.fault.found.contains("Take turns.") == true)
    let failing = try ChatTemplate("{{ messages[0].content }}\n{{ messages[1].content.x.y }}")
    let error = #expect(throws: TokenizerError.self) {
      try failing.render([ChatMessage(role: "user", content: "x")], addGenerationPrompt: true)
    }
    #expect(error?.code == .invalidValue)
    #expect(error?.fault.subject == "tokenizer.chat_template, line 2")
  }

  @Test func switchesOfThinkingAreFound() throws {
    let talk = [ChatMessage(role: "user", content: "x")]
    for (name, isSwitch) in [("qwen35", true), ("qwen3", true), ("qwen3-thinking", false), ("llama3", false)]
    {
      #expect(try ChatTemplate(try source(name)).switchesThinking(talk) == isSwitch, "\(name)")
    }
    // Some templates call the switch "thinking".
    let other = try ChatTemplate("{{ messages[0].content }}{{ '<think>' if thinking else '</think>' }}")
    #expect(other.switchesThinking(talk))
    #expect(try other.render(talk, addGenerationPrompt: true, thinking: .on) == "x<think>")
  }

  @Test func theDayIsTheOneGiven() throws {
    let template = try ChatTemplate("{{ messages[0].content }} {{ strftime_now('%d %b %Y %H:%M %Z|%f%%') }}")
    let text = try template.render(
      [ChatMessage(role: "user", content: "x")], addGenerationPrompt: true, date: Tokenizer.steadyDate,
      timeZone: Tokenizer.steadyTimeZone)
    #expect(text == "x 26 Jul 2024 12:00 |000000%")
    let zone = try #require(TimeZone(secondsFromGMT: 13 * 3600))
    let east = try template.render(
      [ChatMessage(role: "user", content: "x")], addGenerationPrompt: true, date: Tokenizer.steadyDate,
      timeZone: zone)
    #expect(east.hasPrefix("x 27 Jul 2024 01:00"))
    let here = try template.render(
      [ChatMessage(role: "user", content: "x")], addGenerationPrompt: true, date: Tokenizer.steadyDate)
    let same = try template.render(
      [ChatMessage(role: "user", content: "x")], addGenerationPrompt: true, date: Tokenizer.steadyDate,
      timeZone: .current)
    #expect(here == same)
  }

  // MARK: prompts

  private func tokenizer(_ template: String, addBOS: Bool) throws -> Tokenizer {
    try Tokenizer(
      metadata: try Goldens.bytePairs("llama-bpe") + [
        MetadataEntry("tokenizer.chat_template", .string(template)),
        MetadataEntry("tokenizer.ggml.add_bos_token", .bool(addBOS)),
      ])
  }

  private let hello = [ChatMessage(role: "user", content: "Hello")]

  @Test func promptsBeginOnce() throws {
    for (template, addBOS, count) in [
      ("{{ bos_token }}{{ messages[0].content }}", true, 1),
      ("{{ bos_token }}{{ messages[0].content }}", false, 1),
      ("{{ messages[0].content }}", true, 1), ("{{ messages[0].content }}", false, 0),
    ] {
      let tokenizer = try tokenizer(template, addBOS: addBOS)
      let chat = try #require(try tokenizer.readChatTemplate())
      let tokens = try tokenizer.encode(hello, template: chat)
      let bos = try #require(tokenizer.bos)
      #expect(tokens.count { $0 == bos } == count, "\(template), \(addBOS): \(tokens)")
      #expect(tokens.last != tokenizer.eos)
      #expect(
        Array(tokens.dropFirst(count)) == tokenizer.encode("Hello", addSpecial: false, parseSpecial: false))
    }
  }

  @Test func contentsAsPartsAreUsedWhereTextsAreNotWritten() throws {
    let template =
      "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %};{% endfor %}"
    let chat = try ChatTemplate(template)
    #expect(try chat.render(hello, addGenerationPrompt: true) == "Hello;")
  }

  @Test func whatIsLeftOutIsRefused() throws {
    let system = [ChatMessage(role: "system", content: "Be kind.")] + hello
    for (template, subject) in [
      ("nothing", "user"), ("", "user"),
      ("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", "system"),
    ] {
      let tokenizer = try tokenizer(template, addBOS: false)
      let chat = try #require(try tokenizer.readChatTemplate())
      let error = #expect(throws: TokenizerError.self) { try tokenizer.encode(system, template: chat) }
      #expect(error?.code == .notSupported)
      #expect(error?.fault.expected.contains(subject) == true)
    }
    let last = try tokenizer("{{ messages[-1].content }}", addBOS: false)
    let chat = try #require(try last.readChatTemplate())
    #expect(throws: Never.self) { try last.encode(hello, template: chat) }
  }

  @Test func theTokenThatEndsAnswersEndsThem() throws {
    let turn = "{% for m in messages %}{{ m.content }}END\n{% endfor %}"
    for (end, isAdded) in [("<s>", false), ("<|im_start|>", true), ("x", false)] {
      let tokenizer = try tokenizer(turn.replacingOccurrences(of: "END", with: end), addBOS: false)
      let chat = try #require(try tokenizer.readChatTemplate())
      let stops = tokenizer.stopTokens(chat)
      #expect(stops.isSuperset(of: tokenizer.endOfGeneration))
      #expect(tokenizer.tokenID(end).map { stops.contains($0) } ?? false == isAdded, "\(end)")
    }
  }
}

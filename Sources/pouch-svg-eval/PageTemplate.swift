/// The page as a Mustache template; double braces escape, triple ones hold markup that is made here.
enum PageTemplate {
  static let text = """
    <!DOCTYPE html>
    <html lang="en"><head><meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
    <meta name="viewport" content="width=device-width,initial-scale=1">
    <meta name="referrer" content="no-referrer">
    <title>Drawings of {{base}} and its quantized models</title>
    <style>{{{style}}}</style></head>
    <body><header>
    <h1>What quantization does to the drawings of {{base}}</h1>
    <p class="answer">{{answer}}</p>
    <p>{{promptCount}} prompts, each answered by every model with greedy decoding in {{mode}} mode. All numbers compare
    with the unquantized model{{^isSingle}}; the ranges below numbers are 95 % intervals over prompts{{/isSingle}}{{#isSingle}}; there are no intervals, since these come from the spread between prompts, and there is one{{/isSingle}}.</p>
    <p class="facts">{{score}} · {{renderer}} · prompts xxh64 {{hash}} · at most {{tokenLimit}} tokens
    {{#samples}} · {{samples}} draws at temperature {{temperature}}, seed {{seed}}{{/samples}}
    {{#origin}} · the base's answers are from {{origin}}{{/origin}}</p>
    </header><main>
    <h2 id="summary">Summary</h2>
    {{#isOrdered}}<fieldset class="choice"><legend>Order</legend>{{#orderings}}<label><input type="radio" name="choose-by" id="choose-by-{{index}}"{{#checked}} checked{{/checked}}><span>{{text}}</span></label>{{/orderings}}</fieldset>{{/isOrdered}}
    {{#tables}}<div class="scroll by by-{{index}}" tabindex="0" role="region" aria-label="Summary table"><table class="overview">
    <thead><tr><th scope="col">Model</th><th scope="col">Verdict</th>{{#columns}}<th scope="col">{{.}}</th>{{/columns}}</tr></thead><tbody>
    {{#models}}<tr><th scope="row">{{label}}</th><td>{{#verdict}}<span class="pill {{tone}}">{{verdict}}</span>{{/verdict}}{{^verdict}}{{role}}{{/verdict}}</td>
    {{#numbers}}<td data-name="{{name}}"><span>{{value}}<small>{{range}}</small></span></td>{{/numbers}}</tr>
    {{/models}}</tbody></table></div>{{/tables}}
    {{{sizes}}}
    {{#hasCharts}}<div class="charts">{{#charts}}<section class="chart"><h3>{{title}}</h3><div class="soft">{{note}}</div>{{{svg}}}</section>{{/charts}}</div>{{/hasCharts}}
    {{#hasClasses}}<h2>Where the difference sits</h2>
    <p class="soft">Mean KL divergence in nats, and flipped tokens in percent, by what a token says.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Divergence by class of token"><table>
    <thead><tr><th scope="col">Model</th>{{#classNames}}<th scope="col">{{name}}<br><small>{{count}} tokens</small></th>{{/classNames}}</tr></thead><tbody>
    {{#classRows}}<tr><th scope="row">{{label}}</th>{{#cells}}<td>{{value}}<small>{{range}}</small></td>{{/cells}}</tr>{{/classRows}}
    </tbody></table></div>{{/hasClasses}}
    <details><summary>What the numbers mean</summary><dl>
    <dt>SVG-KLD, flipped tokens</dt><dd>The model reads the base's own answers. KL divergence of its next-token probabilities from the base's, and how often the likeliest token is another.</dd>
    <dt>Coordinate shift and error</dt><dd>At digits of numbers, in percent of the viewBox. Shift: how far the model's expected values are from the base's (Wasserstein distance). Error: the expected change of the number if the model drew the digit; the base's own is {{baseError}} %.</dd>
    <dt>Score (B)</dt><dd>The model's own drawing against the base's, from 0 to 1: gates 0.1, first difference 0.2, structure 0.2, geometry 0.25, picture 0.25; a failed gate makes 0. The gates: an svg element, finished, well-formed, nothing that could run or load, something visible.</dd>
    <dt>Failed a gate</dt><dd>Answers, draws among them, that fail at least one gate, of all answers; the base's own count alike.</dd>
    <dt>Checks met (C)</dt><dd>What can be seen by geometry; {{scope}}. McNemar's exact test compares solved prompts with the base's.</dd>
    <dt>Verdict</dt><dd>Fixed thresholds on KL divergence, flips and coordinate shift: {{thresholds}}.</dd></dl></details>
    <h2 id="drawings">Drawings</h2>
    <p class="soft">The worst first. The base is framed. “=” marks answers whose tokens are all the base's.</p>
    <details class="contents"><summary>Contents: {{promptCount}} prompts</summary><ol>{{#contents}}<li><a href="#{{id}}">{{id}}</a> <span class="soft">{{score}}</span></li>{{/contents}}</ol></details>
    {{#choices}}<fieldset class="choice"><legend>{{legend}}</legend>{{#buttons}}<label><input type="{{type}}" name="{{name}}" id="{{id}}"{{#checked}} checked{{/checked}}><span>{{text}}</span></label>{{/buttons}}</fieldset>{{/choices}}
    <div class="prompts">
    {{#prompts}}<article class="prompt {{classes}}" id="{{id}}" style="{{places}}"><header><h3>{{prompt}}</h3><span class="soft">{{id}}</span></header>
    <div class="grid">{{#cells}}<figure class="{{kind}} model-{{index}}"><div class="paper">{{#svg}}{{{svg}}}{{/svg}}{{^svg}}<div class="none" role="img" aria-label="No drawing">{{problem}}</div>{{/svg}}</div>
    <figcaption><b>{{label}}</b>{{#headline}}<span class="{{tone}}">{{headline}}</span>{{/headline}}{{#detail}}<br><small>{{detail}}</small>{{/detail}}{{#failed}}<br><small class="bad">{{failed}}</small>{{/failed}}{{#removed}}<br><small>left out: {{removed}}</small>{{/removed}}</figcaption></figure>{{/cells}}</div>
    {{#hasAssertions}}<details><summary>Checks</summary><div class="scroll"><table><thead><tr><th scope="col">What must be true</th>{{#columns}}<th scope="col">{{.}}</th>{{/columns}}</tr></thead><tbody>{{#assertions}}<tr><th scope="row">{{text}}</th>{{#marks}}<td class="{{tone}}">{{mark}}</td>{{/marks}}</tr>{{/assertions}}</tbody></table></div></details>{{/hasAssertions}}
    <details><summary>Sources, first difference marked</summary>{{#sources}}<h4>{{label}}{{#note}} <small class="soft">{{note}}</small>{{/note}}</h4><pre>{{before}}{{#marked}}<mark>{{marked}}</mark>{{/marked}}{{after}}</pre>{{/sources}}</details>
    </article>
    {{/prompts}}</div></main>
    <footer>Made by pouch-svg-eval. This page loads nothing and runs nothing; every drawing in it was rebuilt from a list of harmless elements.</footer>
    </body></html>

    """
}

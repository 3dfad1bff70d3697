using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Lathe.Contracts;
using Lathe.NN.FixedPoint.Engine;

namespace Lathe.NN.FixedPoint.C;

/// <summary>A network as C.</summary>
/// <param name="HeaderName">Name of the header's file, which the source includes.</param>
/// <param name="Header">Text of the header.</param>
/// <param name="Source">Text of the source.</param>
/// <param name="ConstantBytes">Bytes of weights, maps and tables, without code.</param>
/// <param name="WorkspaceBytes">Memory that a run works in, image and logits apart.</param>
public sealed record CFiles(string HeaderName, string Header, string Source, long ConstantBytes, long WorkspaceBytes);

/// <summary>
/// Writes fixed-point inference as one C99 header and one source file that need nothing else: weights packed in N bits, no heap, no float.
/// They give the bits of <see cref="FixedPointEngine"/>.
/// </summary>
public static partial class CExport
{
    private static readonly string[] StandardHeaders =
    [
        .. ((string[])["assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits", "locale", "math", "setjmp", "signal", "stdarg",
            "stdbool", "stddef", "stdint", "stdio", "stdlib", "string", "tgmath", "time", "wchar", "wctype"]).Select(name => $"{name}.h"),
    ];

    /// <summary>Writes a network.</summary>
    /// <param name="network">The network.</param>
    /// <param name="name">Begins every name that the linker sees; a C identifier.</param>
    /// <param name="about">Where it comes from, for the comment at the head; one line.</param>
    /// <param name="header">Name of the header's file, which the source includes; null: the name with <c>.h</c>.</param>
    /// <exception cref="LatheException">The name is no identifier, or the header's none that can be included.</exception>
    public static CFiles Write(FixedPointNetwork network, string name, string about, string? header = null)
    {
        var includes = header ?? $"{name}.h";
        if (includes.AsSpan().IndexOfAny('"', '\\') >= 0 || includes.Any(char.IsControl))
            throw new LatheException($"{includes} cannot be included by C: its name has quotes, backslashes or control characters");
        if (StandardHeaders.Contains(includes, StringComparer.OrdinalIgnoreCase))
            throw new LatheException($"{includes} is the name of a header of C's own, which it would hide; choose another");
        if (!Identifier().IsMatch(name)) throw new LatheException($"'{name}' is no name for C functions: letters, digits and underscores, not a digit first");
        return new Writing(network, name, includes, about.Replace("*/", "* /", StringComparison.Ordinal)).Run();
    }

    /// <summary>A file's name as a C identifier.</summary>
    public static string NameFrom(string file)
    {
        // A name that begins with an underscore is the compiler's.
        var name = NoIdentifier().Replace(Path.GetFileNameWithoutExtension(file), "_").Trim('_').ToLowerInvariant();
        return name.Length == 0 ? "net" : char.IsAsciiDigit(name[0]) ? $"net_{name}" : name;
    }

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*$")]
    private static partial Regex Identifier();

    [GeneratedRegex("[^A-Za-z0-9]+")]
    private static partial Regex NoIdentifier();

    private sealed class Writing(FixedPointNetwork network, string name, string header, string about)
    {
        private readonly ArenaPlan _plan = ArenaPlan.Of(network);
        private readonly List<string> _functions = [];
        private readonly StringBuilder _data = new();
        private readonly StringBuilder _body = new();
        private int _arrays;
        private long _constantBytes;

        private string Macro => name.ToUpperInvariant();

        private int LevelBytes => network.Steps.OfType<MultiplyStep>().Select(step => step.Shape.Depth).DefaultIfEmpty(0).Max();

        private long WorkspaceBytes => _plan.Length + LevelBytes;

        public CFiles Run()
        {
            foreach (var step in network.Steps) Write(step);
            return new CFiles(header, Header(), Source(), _constantBytes, WorkspaceBytes);
        }

        private string Header()
        {
            var input = network.Tensors[network.Input];
            return $$"""
                /* {{network.Name}}: fixed-point inference. {{about}} */
                #ifndef {{Macro}}_H
                #define {{Macro}}_H

                #include <stdint.h>

                #ifdef __cplusplus
                extern "C" {
                #endif

                /* The image: byte (y * WIDTH + x) * CHANNELS + c is the pixel (x, y) of channel c, as
                   round(value * 2^FRACTION) + ZERO, limited to 0 .. 255, where value is normalized as in training. */
                #define {{Macro}}_CHANNELS {{input.Shape.Channels}}
                #define {{Macro}}_HEIGHT {{input.Shape.Height}}
                #define {{Macro}}_WIDTH {{input.Shape.Width}}
                #define {{Macro}}_INPUT_BYTES {{input.Length}}
                #define {{Macro}}_INPUT_FRACTION ({{input.Fraction}})
                #define {{Macro}}_INPUT_ZERO {{input.Zero}}

                /* A logit is logits[i] * 2^-LOGIT_FRACTION. */
                #define {{Macro}}_CLASSES {{network.Classes}}
                #define {{Macro}}_LOGIT_FRACTION ({{network.LogitFraction}})

                /* Bytes that {{name}}_run works in; they hold nothing between two calls. */
                #define {{Macro}}_WORKSPACE_BYTES {{WorkspaceBytes}}

                void {{name}}_run(const uint8_t *image, int32_t *logits, uint8_t *workspace);

                #ifdef __cplusplus
                }
                #endif

                #endif

                """;
        }

        private string Source()
        {
            var functions = string.Join("\n\n", _functions);
            var levels = network.Steps.Any(step => step is MultiplyStep) ? $"    int8_t *levels = (int8_t *)(workspace + {_plan.Length});\n" : "";
            return $$"""
                /* {{network.Name}}: fixed-point inference in whole numbers alone. {{about}} */
                #include "{{header}}"

                {{functions}}

                {{_data.ToString().TrimEnd()}}

                void {{name}}_run(const uint8_t *image, int32_t *logits, uint8_t *workspace)
                {
                {{levels}}{{_body.ToString().TrimEnd()}}
                }

                """;
        }

        private void Write(IntegerStep step)
        {
            var from = network.Tensors[step.Inputs[0]];
            var x = Place(step.Inputs[0]);
            var pixels = from.Shape.Height * from.Shape.Width;
            var channels = from.Shape.Channels;
            var to = step.Output < 0 ? from : network.Tensors[step.Output];
            var y = step.Output < 0 ? "logits" : Place(step.Output);
            var format = $"{to.Zero}, {to.Least}, {to.Greatest}";
            Comment(step, to);
            switch (step)
            {
                case MultiplyStep m:
                    Multiply(m, from, to, x, y);
                    break;
                case ChannelStep c:
                    Need(CFunctions.Maps, CFunctions.Store, CFunctions.Channels);
                    Call($"map_channels({x}, {y}, {pixels}, {channels}, {from.Zero}, {format}, {Maps(c.Maps)})");
                    break;
                case SlopeStep p:
                    Need(CFunctions.Maps, CFunctions.Store, CFunctions.Slopes);
                    Call($"map_slopes({x}, {y}, {pixels}, {channels}, {from.Zero}, {format}, {Map(p.Positive)}, {Maps(p.Negative)})");
                    break;
                case SumStep s:
                    Need(CFunctions.Maps, CFunctions.Store, CFunctions.Sum);
                    _body.Append(CultureInfo.InvariantCulture, $"    {{\n        const uint8_t *x[{s.Inputs.Count}];\n");
                    foreach (var (i, input) in s.Inputs.Index()) _body.Append(CultureInfo.InvariantCulture, $"        x[{i}] = {Place(input)};\n");
                    Call($"    add(x, {s.Inputs.Count}, {y}, {to.Length}, {s.Inputs.Sum(i => network.Tensors[i].Zero)}, {format}, {Map(s.Map)})");
                    _body.Append("    }\n");
                    break;
                case ProductStep p:
                    Need(CFunctions.Maps, CFunctions.Store, CFunctions.Product);
                    Call($"product({Factor(p.Inputs[0])}, {Factor(p.Inputs[1])}, {y}, {to.Shape.Height * to.Shape.Width}, {to.Shape.Channels}, {format}, {Map(p.Map)})");
                    break;
                case MeanStep m:
                    Need(CFunctions.Divide, CFunctions.Store, CFunctions.Mean);
                    for (var i = 0; i < m.Rows.Count * m.Columns.Count; i++)
                    {
                        var (row, column) = (i / m.Columns.Count, i % m.Columns.Count);
                        Call($"mean({x}, {y} + {i * channels}, {from.Shape.Width}, {channels}, {m.Rows[row].First}, {m.Rows[row].Count}, "
                            + $"{m.Columns[column].First}, {m.Columns[column].Count}, {from.Zero}, {format}, {m.Divisions[row, column].Places}, {Number(m.Divisions[row, column].Divisor)})");
                    }

                    break;
                case MaximumStep m:
                    Need(CFunctions.Maximum);
                    Call($"maximum({x}, {y}, {channels}, {from.Shape.Height}, {from.Shape.Width}, {to.Shape.Height}, {to.Shape.Width}, "
                        + $"{m.Kernel.Height}, {m.Kernel.Width}, {m.Stride.Height}, {m.Stride.Width}, {m.Top}, {m.Left})");
                    break;
                case TableStep t:
                    Need(CFunctions.Look);
                    Call($"look_up({x}, {y}, {pixels}, {channels}, {channels}, 0, {Bytes(t.Table)})");
                    break;
                case JoinStep j:
                    Need(CFunctions.Look);
                    var before = 0;
                    foreach (var (input, table) in j.Inputs.Zip(j.Tables))
                    {
                        var own = network.Tensors[input].Shape.Channels;
                        Call($"look_up({Place(input)}, {y}, {pixels}, {own}, {to.Shape.Channels}, {before}, {Bytes(table)})");
                        before += own;
                    }

                    break;
                case PadStep p when to.Shape.Height != from.Shape.Height || to.Shape.Width != from.Shape.Width:
                    Need(CFunctions.Border);
                    Call($"border({x}, {y}, {from.Shape.Height}, {from.Shape.Width}, {channels}, {to.Shape.Height}, {to.Shape.Width}, {to.Shape.Channels}, "
                        + $"{p.Before}, {p.Top}, {p.Left}, {to.Zero})");
                    break;
                case PadStep p:
                    Need(CFunctions.Pad);
                    Call($"pad({x}, {y}, {pixels}, {channels}, {to.Shape.Channels}, {p.Before}, {to.Zero})");
                    break;
                case SubsampleStep s:
                    Need(CFunctions.Subsample);
                    Call($"subsample({x}, {y}, {channels}, {from.Shape.Width}, {to.Shape.Height}, {to.Shape.Width}, {s.Stride.Height}, {s.Stride.Width})");
                    break;
                case FlattenStep f:
                    Need(CFunctions.Flatten);
                    Call($"flatten({x}, {y}, {f.Rows}, {from.Length / f.Rows})");
                    break;
                case LogitStep:
                    Need(CFunctions.Logits);
                    Call($"to_logits({x}, logits, {from.Length}, {from.Zero})");
                    break;
                default:
                    throw new LatheException($"the C export has no {step.GetType().Name}");
            }
        }

        private void Multiply(MultiplyStep step, ByteTensor from, ByteTensor to, string x, string y)
        {
            var shape = step.Shape;
            var isLogits = step.Output < 0;
            Need(CFunctions.Maps, CFunctions.Unpack, CFunctions.Multiply);
            if (!isLogits) Need(CFunctions.Store);
            Need(isLogits ? CFunctions.MultiplyToLogits : CFunctions.MultiplyToBytes);
            var weights = Bytes(Packed(step.Levels, step.Bits));
            var maps = Maps(step.Maps);
            var array = $"shape{_arrays++}";
            _data.Append(CultureInfo.InvariantCulture, $$"""
                static const multiply_shape {{array}} = { {{shape.InChannels}}, {{shape.OutChannels}}, {{shape.Kernel.Height}}, {{shape.Kernel.Width}}, {{shape.Stride.Height}}, {{shape.Stride.Width}}, {{shape.Top}}, {{shape.Left}}, {{shape.Dilation.Height}}, {{shape.Dilation.Width}}, {{shape.Groups}}, {{shape.Height}}, {{shape.Width}}, {{shape.OutHeight}}, {{shape.OutWidth}}, {{step.Bits}}, {{from.Zero}}, {{to.Zero}}, {{to.Least}}, {{to.Greatest}} };

                """);
            Call($"{(isLogits ? "multiply_to_logits" : "multiply")}(&{array}, {x}, {y}, levels, {weights}, {maps})");
        }

        private static byte[] Packed(sbyte[] levels, int bits)
        {
            var packed = new byte[(((long)levels.Length * bits) + 7) / 8];
            for (var i = 0; i < levels.Length; i++)
            {
                var bit = (long)i * bits;
                var field = (levels[i] & ((1 << bits) - 1)) << (int)(bit & 7);
                packed[bit >> 3] |= (byte)field;
                if (field > 0xff) packed[(bit >> 3) + 1] |= (byte)(field >> 8);
            }

            return packed;
        }

        private void Comment(IntegerStep step, ByteTensor to)
        {
            var made = step.Output < 0 ? "logits" : to.Name.Replace("*/", "* /", StringComparison.Ordinal);
            _body.Append(CultureInfo.InvariantCulture, $"    /* {made} */\n");
        }

        private void Call(string call) => _body.Append(CultureInfo.InvariantCulture, $"    {call};\n");

        private void Need(params string[] functions)
        {
            foreach (var function in functions.Where(function => !_functions.Contains(function))) _functions.Add(function);
        }

        private string Place(int tensor) => tensor == network.Input ? "image" : $"(workspace + {_plan.Offsets[tensor]})";

        private string Factor(int tensor)
        {
            var factor = network.Tensors[tensor];
            return $"{Place(tensor)}, {(factor.Shape.Height * factor.Shape.Width == 1 ? 1 : 0)}, {factor.Zero}";
        }

        private static string Map(Requantizer map) => $"{Number(map.Multiplier)}, {Number(map.Offset)}, {map.Shift}";

        private string Maps(IReadOnlyList<Requantizer> maps) => string.Join(", ",
            Array("int32_t", sizeof(int), "multipliers", maps.Select(map => Number(map.Multiplier)), 8),
            Array("int64_t", sizeof(long), "offsets", maps.Select(map => Number(map.Offset)), 4),
            Array("uint8_t", sizeof(byte), "shifts", maps.Select(map => map.Shift.ToString(CultureInfo.InvariantCulture)), 20));

        private string Bytes(byte[] bytes) => Array("uint8_t", sizeof(byte), "bytes", bytes.Select(b => $"0x{b:x2}"), 20);

        private string Array(string type, int size, string what, IEnumerable<string> values, int perLine)
        {
            var array = $"{what}{_arrays++}";
            string[] all = [.. values];
            _constantBytes += (long)size * all.Length;
            var lines = all.Chunk(perLine).Select(line => "    " + string.Join(", ", line)).ToList();
            _data.Append(CultureInfo.InvariantCulture, $"static const {type} {array}[] = {{\n{string.Join(",\n", lines)}\n}};\n");
            return array;
        }

        private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

        private static string Number(long value) => value is > int.MaxValue or < int.MinValue ? $"INT64_C({value})" : value.ToString(CultureInfo.InvariantCulture);
    }
}

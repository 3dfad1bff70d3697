using System.Globalization;
using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <summary>A node's attributes, checked against the limits of a network's nodes: square, and the same on all sides.</summary>
/// <param name="node">The node.</param>
internal sealed class OnnxAttributes(NodeProto node)
{
    public AttributeProto? Find(string name) => node.Attribute.FirstOrDefault(a => a.Name == name);

    public long Integer(string name, long usual) => Find(name) is { } attribute ? attribute.I : usual;

    public IReadOnlyList<long>? Integers(string name) => Find(name)?.Ints;

    /// <summary>The number as a person writes it: 1e-5, where float32's nearest is 9.99999975e-6.</summary>
    public double Number(string name, double usual) => Find(name) is { } attribute ? Written(attribute.F) : usual;

    public string Text(string name, string usual) => Find(name) is { } attribute ? attribute.S.ToStringUtf8() : usual;

    /// <exception cref="LatheException">It has another value.</exception>
    public void Require(string name, long expected, long usual, string what)
    {
        if (Integer(name, usual) is var value && value != expected)
            throw new LatheException($"{name} is {value}; {what}");
    }

    /// <summary>A number for each of two dimensions that must be one.</summary>
    /// <exception cref="LatheException">They differ, or are out of range.</exception>
    public int Square(string name, int usual)
    {
        if (Integers(name) is not { } values) return usual;
        return values is [var height, var width] && height == width && height is >= 0 and <= int.MaxValue
            ? (int)height
            : throw new LatheException($"{name} is [{List(values)}]; expected two dimensions and the same for both");
    }

    /// <summary>Pixels of border on every side, as <c>pads</c> or <c>auto_pad</c> say.</summary>
    /// <param name="windows">Reach of a window, dilation included, its stride, and the input's height and width.</param>
    /// <exception cref="LatheException">They differ from side to side.</exception>
    public int Padding((long Reach, long Stride, int Height, int Width) windows)
    {
        var mode = Text("auto_pad", "NOTSET");
        if (mode == "VALID") return 0;
        if (mode is "SAME_UPPER" or "SAME_LOWER")
        {
            var (rows, columns) = (Same(windows.Height), Same(windows.Width));
            return rows == columns && rows % 2 == 0
                ? (int)(rows / 2)
                : throw new LatheException($"auto_pad {mode} puts {rows} rows and {columns} columns around {windows.Height} x {windows.Width} pixels; "
                    + "expected as many on every side");
        }

        if (mode != "NOTSET") throw new LatheException($"auto_pad is '{OnnxText.Short(mode)}'; expected NOTSET, VALID, SAME_UPPER or SAME_LOWER");
        if (Integers("pads") is not { Count: > 0 } pads) return 0;
        return pads.Count == 4 && pads.All(p => p == pads[0]) && pads[0] is >= 0 and <= int.MaxValue
            ? (int)pads[0]
            : throw new LatheException($"pads is [{List(pads)}]; expected as many pixels on all four sides");

        long Same(int extent)
        {
            var steps = (extent + Math.Max(1, windows.Stride) - 1) / Math.Max(1, windows.Stride);
            return Math.Max(0, ((steps - 1) * windows.Stride) + windows.Reach - extent);
        }
    }

    public static double Written(float value) => double.Parse(value.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    public static string List(IEnumerable<long> values) => string.Join(", ", values.Take(16));
}

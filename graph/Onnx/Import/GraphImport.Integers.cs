using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <content>
/// The few whole numbers that exporters compute shapes, pads and slices from in the graph itself, as <c>x.view(x.size(0), -1)</c> and
/// <c>F.pad</c> do in PyTorch. The number of images stays unknown.
/// </content>
internal sealed partial class GraphImport
{
    private const int MostIntegers = 4096;

    private IntegerValue ShapeOf(NodeProto node)
    {
        var axes = Feature(node, 0).Axes;
        var attributes = new OnnxAttributes(node);
        var (start, end) = (Place(attributes.Integer("start", 0)), Place(attributes.Integer("end", axes.Length)));
        var part = start < end ? axes[start..end] : [];
        return new IntegerValue(part, [part.Length]);

        int Place(long index) => (int)Math.Clamp(index < 0 ? index + axes.Length : index, 0, axes.Length);
    }

    private IntegerValue Gather(NodeProto node)
    {
        var (from, indices) = (Integer(node, 0), Integer(node, 1));
        if (from.Shape.Length != 1 || new OnnxAttributes(node).Integer("axis", 0) is not (0 or -1))
            throw new LatheException("it picks from a tensor; expected that for the numbers of a shape");
        return new IntegerValue([.. indices.Numbers.Select(Pick)], indices.Shape);

        long? Pick(long? index) => (index < 0 ? index + from.Numbers.Length : index) is { } i && i >= 0 && i < from.Numbers.Length
            ? from.Numbers[i]
            : throw new LatheException($"it picks number {index} of {from.Numbers.Length}");
    }

    private IntegerValue ConcatIntegers(NodeProto node)
    {
        var parts = Enumerable.Range(0, node.Input.Count).Select(i => Integer(node, i)).ToList();
        if (parts.Exists(p => p.Shape.Length != 1)) throw new LatheException("it joins tables of numbers; expected lists");
        if (parts.Sum(p => (long)p.Numbers.Length) > MostIntegers) throw new LatheException($"it makes more than {MostIntegers} numbers");
        long?[] numbers = [.. parts.SelectMany(p => p.Numbers)];
        return new IntegerValue(numbers, [numbers.Length]);
    }

    private IntegerValue ReshapeIntegers(NodeProto node)
    {
        var numbers = Integer(node, 0);
        var wanted = Integer(node, 1).Numbers;
        if (wanted.Length > 4 || wanted.Any(w => w is null or < -1 or 0 || w > MostIntegers) || wanted.Count(w => w == -1) > 1)
            throw new LatheException("it reshapes numbers in a way that is not known here");
        var known = wanted.Where(w => w != -1).Aggregate((Int128)1, (product, w) => product * w!.Value);
        var shape = wanted.Select(w => w == -1 ? (int)(numbers.Numbers.Length / known) : (int)w!.Value).ToArray();
        return shape.Aggregate((Int128)1, (product, e) => product * e) == numbers.Numbers.Length
            ? numbers with { Shape = shape }
            : throw new LatheException($"it reshapes {numbers.Numbers.Length} numbers to [{string.Join(", ", shape)}]");
    }

    private static IntegerValue TransposeIntegers(IntegerValue numbers)
    {
        if (numbers.Shape is not [var rows, var columns]) throw new LatheException("it transposes numbers; expected rows and columns");
        var turned = new long?[numbers.Numbers.Length];
        for (var i = 0; i < turned.Length; i++)
            turned[(i % columns * rows) + (i / columns)] = numbers.Numbers[i];
        return new IntegerValue(turned, [columns, rows]);
    }

    /// <summary>Some rows of a table, or numbers of a list, in order or backwards.</summary>
    private IntegerValue SliceIntegers(NodeProto node)
    {
        var from = Integer(node, 0);
        if (from.Shape.Length == 0 || One(3, 0) != 0) throw new LatheException("it takes part of numbers along another axis than the first");
        var (rows, step) = (from.Shape[0], One(4, 1));
        if (step is 0 or < -MostIntegers or > MostIntegers) throw new LatheException($"its step is {step}");
        var (start, end) = (Place(One(1, 0)), Place(One(2, long.MaxValue)));
        var width = rows == 0 ? 0 : from.Numbers.Length / rows;
        var taken = new List<int>();
        for (var row = step > 0 ? start : Math.Min(start, rows - 1); step > 0 ? row < end : row > end; row += step)
            taken.Add((int)row);
        return new IntegerValue([.. taken.SelectMany(row => from.Numbers.Skip(row * width).Take(width))], [taken.Count, .. from.Shape.Skip(1)]);

        long One(int index, long usual) => Input(node, index) is null ? usual
            : Numbers(node, index) is [var one] ? one : throw new LatheException("it takes parts of several axes of numbers; expected one");

        // Backwards, a slice may end in front of the first.
        long Place(long index) => Math.Clamp(index < 0 ? Math.Max(index, -rows - 1L) + rows : index, step < 0 ? -1 : 0, rows);
    }

    private IntegerValue MultiplyIntegers(NodeProto node)
    {
        var (left, right) = (Integer(node, 0), Integer(node, 1));
        if (left.Numbers is not [{ } a] || right.Numbers is not [{ } b] || Math.BigMul(a, b) is var product && (product > long.MaxValue || product < long.MinValue))
            throw new LatheException("it multiplies numbers of a shape; expected two known ones");
        return (left.Shape.Length >= right.Shape.Length ? left : right) with { Numbers = [(long)product] };
    }

    private OnnxValue Cast(NodeProto node)
    {
        var to = (TensorProto.Types.DataType)new OnnxAttributes(node).Integer("to", 0);
        return Input(node, 0) switch
        {
            FeatureValue feature when to is TensorProto.Types.DataType.Float or TensorProto.Types.DataType.Float16 or TensorProto.Types.DataType.Double => feature,
            PartialValue known when to is TensorProto.Types.DataType.Float or TensorProto.Types.DataType.Float16 or TensorProto.Types.DataType.Double => known,
            IntegerValue or ConstantValue when to is TensorProto.Types.DataType.Int64 or TensorProto.Types.DataType.Int32 => Integer(node, 0),
            _ => throw new LatheException($"it changes what it reads to {to}; expected floating numbers to stay floating, and whole ones whole"),
        };
    }

    /// <summary>1 where numbers are equal; the number of images is equal to no known one.</summary>
    private IntegerValue Equal(NodeProto node)
    {
        var (left, right) = (Integer(node, 0), Integer(node, 1));
        if (left.Numbers.Length != right.Numbers.Length && right.Numbers.Length != 1) throw new LatheException("it compares lists of numbers of two lengths");
        return left with { Numbers = [.. left.Numbers.Select((number, i) => (long?)(number is not null && number == right.Numbers[right.Numbers.Length == 1 ? 0 : i] ? 1 : 0))] };
    }

    private IntegerValue Where(NodeProto node)
    {
        var (condition, yes, no) = (Integer(node, 0), Integer(node, 1), Integer(node, 2));
        if (yes.Numbers.Length != condition.Numbers.Length || no.Numbers.Length != condition.Numbers.Length) throw new LatheException("it chooses from lists of numbers of several lengths");
        return condition with { Numbers = [.. condition.Numbers.Select((number, i) => number == 1 ? yes.Numbers[i] : no.Numbers[i])] };
    }

    private IntegerValue ConstantOfShape(NodeProto node)
    {
        var extents = Integer(node, 0).Numbers;
        var value = new OnnxAttributes(node).Find("value")?.T is { } tensor ? _constants.Integers(tensor) : null;
        if (extents is not [{ } count] || count is < 0 or > MostIntegers || value?.Numbers is not [var number])
            throw new LatheException($"it makes a constant; expected a list of at most {MostIntegers} whole numbers");
        var numbers = new long?[count];
        Array.Fill(numbers, number);
        return new IntegerValue(numbers, [(int)count]);
    }

    /// <summary>An input as whole numbers.</summary>
    private IntegerValue Integer(NodeProto node, int index) => Input(node, index) switch
    {
        IntegerValue numbers => numbers,
        ConstantValue constant when _constants.Integers(constant.Tensor) is { } numbers => numbers,
        null => throw new LatheException($"it has {node.Input.Count} inputs; expected more than {index}"),
        _ => throw new LatheException($"its input '{OnnxText.Short(node.Input[index])}' is no list of known whole numbers"),
    };

    /// <summary>An input as a list of numbers that are all known.</summary>
    private List<long> Numbers(NodeProto node, int index) =>
        [.. Integer(node, index).Numbers.Select(n => n ?? throw new LatheException($"its input '{OnnxText.Short(node.Input[index])}' depends on the number of images"))];
}

using Lathe.Graph.Onnx.Format;
using Lathe.Graph.Tests.Onnx;

namespace Lathe.NN.Tests.Onnx;

/// <summary>ONNX graphs as exporters and optimizers leave them.</summary>
internal sealed class RandomGraphs
{
    private readonly Random _random;
    private readonly HandMade _net;
    private int _channels;
    private int _height;
    private int _width;
    private int _names;

    private RandomGraphs(Random random)
    {
        _random = random;
        (_channels, _height, _width) = (random.Next(1, 4), random.Next(5, 10), random.Next(5, 10));
        _net = new HandMade(random.Next(13, 18), 2, _channels, _height, _width);
    }

    /// <summary>A graph that ends in logits, and the shape of its input.</summary>
    public static (HandMade Net, long[] Shape) Of(Random random)
    {
        var graph = new RandomGraphs(random);
        long[] shape = [2, graph._channels, graph._height, graph._width];
        for (var i = random.Next(2, 7); i > 0; i--) graph.Block();
        graph.End();
        return (graph._net, shape);
    }

    private string Name() => $"c{_names++}";

    private bool Draw(int of) => _random.Next(of) == 0;

    private string Floats(params long[] shape) => _net.Values(
        Name(), [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => (float)((_random.NextDouble() * 2) - 1))], shape);

    private string Positive(params long[] shape) => _net.Values(
        Name(), [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => (float)(_random.NextDouble() + 0.5))], shape);

    private void Block()
    {
        switch (_random.Next(9))
        {
            case 0: Branch(); break;
            case 1: Pool(); break;
            case 2: Squeeze(); break;
            case 3: Constant(); break;
            case 4: Border(); break;
            default: Layer(); break;
        }

        if (Draw(3)) Alias();
    }

    private void Layer()
    {
        var groups = Draw(4) ? _channels : 1;
        Convolve(groups > 1 ? _channels * _random.Next(1, 3) : _random.Next(1, 5), groups);
        if (Draw(3)) Alias();
        if (Draw(2)) _net.Then("BatchNormalization", [Floats(_channels), Floats(_channels), Floats(_channels), Positive(_channels)]);
        if (Draw(4)) Constant();
        Activate();
    }

    private void Convolve(int made, int groups = 1, bool keeps = false)
    {
        var (high, wide) = (Math.Min(_height, _random.Next(1, 5)), Math.Min(_width, _random.Next(1, 5)));
        var (down, right) = keeps ? (1, 1) : (_random.Next(1, 4), _random.Next(1, 3));
        List<AttributeProto> attributes = [HandMade.Ints("strides", down, right), HandMade.Int("group", groups)];
        int[] pads = keeps ? [(high - 1) / 2, wide / 2, high / 2, (wide - 1) / 2] : [_random.Next(3), _random.Next(3), _random.Next(3), _random.Next(3)];
        switch (keeps || down > high || right > wide ? 3 : _random.Next(4))
        {
            case 0: attributes.Add(HandMade.Text("auto_pad", "SAME_UPPER")); break;
            case 1: attributes.Add(HandMade.Text("auto_pad", "SAME_LOWER")); break;
            case 2: (attributes, pads) = ([.. attributes, HandMade.Text("auto_pad", "VALID")], [0, 0, 0, 0]); break;
            default: attributes.Add(HandMade.Ints("pads", [.. pads.Select(pad => (long)pad)])); break;
        }

        string[] inputs = [Floats(made, _channels / groups, high, wide)];
        _net.Then("Conv", Draw(2) ? [.. inputs, Floats(made)] : inputs, [.. attributes]);
        var isSame = attributes.Exists(a => a.Name == "auto_pad" && a.S.ToStringUtf8().StartsWith("SAME", StringComparison.Ordinal));
        _channels = made;
        _height = isSame ? (_height + down - 1) / down : ((_height + pads[0] + pads[2] - high) / down) + 1;
        _width = isSame ? (_width + right - 1) / right : ((_width + pads[1] + pads[3] - wide) / right) + 1;
    }

    private void Activate()
    {
        var x = _net.Last;
        switch (_random.Next(11))
        {
            case 0: _net.Then("Relu"); break;
            case 1: _net.Then("Clip", [_net.Single(Name(), 0), _net.Single(Name(), 6)]); break;
            case 2: _net.Then("Sigmoid").Then("Mul", [x]); break;
            case 3: _net.Then("LeakyRelu", [], HandMade.Float("alpha", 0.3f)); break;
            case 4: _net.Then("PRelu", [Floats(_channels, 1, 1)]); break;
            case 5: _net.Then("Add", [_net.Single(Name(), 3)]).Then("Clip", [_net.Single(Name(), 0), _net.Single(Name(), 6)]).Then("Mul", [x]).Then("Div", [_net.Single(Name(), 6)]); break;
            case 6: _net.Then("Add", [_net.Single(Name(), 3)]).Then("Relu").Then("Min", [_net.Single(Name(), 6)]).Then("Div", [_net.Single(Name(), 6)]); break;
            // Beginnings of a hard swish that do not become one.
            case 7: _net.Then("Add", [_net.Single(Name(), 3)]).Then("Clip", [_net.Single(Name(), 0), _net.Single(Name(), 6)]); break;
            case 8: _net.Then("Sigmoid"); break;
        }
    }

    private void Alias()
    {
        switch (_random.Next(4))
        {
            case 0: _net.Then("Identity"); break;
            case 1: _net.Then("Reshape", [_net.Whole(Name(), 0, _channels, _height, _width)]); break;
            case 2: _net.Then("Cast", [], HandMade.Int("to", 1)); break;
            default: _net.Then("Dropout", [_net.Single(Name(), 0)]); break;
        }
    }

    private void Constant()
    {
        long[] shape = _random.Next(4) switch { 0 => [1], 1 => [1, _channels, 1, 1], _ => [_channels, 1, 1] };
        switch (_random.Next(5))
        {
            case 0: _net.Then("Add", [Floats(shape)]); break;
            case 1: _net.Of("Add", [Floats(shape), _net.Last]); break;
            case 2: _net.Then("Mul", [Floats(shape)]); break;
            case 3: _net.Then("Div", [Positive(shape)]); break;
            default: _net.Then("Sub", [Floats(shape)]); break;
        }
    }

    private void Border()
    {
        int[] pads = [_random.Next(3), _random.Next(3), _random.Next(3), _random.Next(3)];
        _net.Then("Pad", [_net.Whole(Name(), 0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3])]);
        (_height, _width) = (_height + pads[0] + pads[2], _width + pads[1] + pads[3]);
        // Who reads it decides what becomes of it.
        switch (_random.Next(4))
        {
            case 0: Pool(); break;
            case 1: Activate(); break;
            default: Convolve(_random.Next(1, 5)); break;
        }
    }

    private void Pool()
    {
        if (_height < 3 || _width < 3) return;
        var (high, wide, down, right) = (_random.Next(1, 4), _random.Next(1, 4), _random.Next(1, 3), _random.Next(1, 3));
        List<AttributeProto> attributes = [HandMade.Ints("kernel_shape", high, wide), HandMade.Ints("strides", down, right)];
        int[] pads = [_random.Next(high), _random.Next(wide), _random.Next(high), _random.Next(wide)];
        // ONNX Runtime computes negative pads where strides leave pixels out.
        var isSame = Draw(3) && down <= high && right <= wide;
        attributes.Add(isSame ? HandMade.Text("auto_pad", Draw(2) ? "SAME_UPPER" : "SAME_LOWER") : HandMade.Ints("pads", [.. pads.Select(pad => (long)pad)]));
        var isMean = Draw(2);
        if (isMean) attributes.Add(HandMade.Int("count_include_pad", _random.Next(2)));
        _net.Then(isMean ? "AveragePool" : "MaxPool", [], [.. attributes]);
        _height = isSame ? (_height + down - 1) / down : ((_height + pads[0] + pads[2] - high) / down) + 1;
        _width = isSame ? (_width + right - 1) / right : ((_width + pads[1] + pads[3] - wide) / right) + 1;
    }

    /// <summary>Both sides read one tensor, under one name or two; constants are added on the way.</summary>
    private void Branch()
    {
        var from = _net.Last;
        if (Draw(2)) Alias();
        if (Draw(2)) Constant();
        if (Draw(2)) Convolve(_channels, keeps: true);
        if (Draw(2)) Activate();
        var one = _net.Last;
        _net.Of("Identity", [from]);
        if (Draw(3)) Constant();
        if (Draw(2)) Activate();
        switch (_random.Next(3))
        {
            case 0: _net.Of("Mul", [one, _net.Last]); break;
            case 1:
                _net.Of("Concat", [one, _net.Last], HandMade.Int("axis", 1));
                _channels *= 2;
                break;
            default: _net.Of("Add", [_net.Last, one]); break;
        }
    }

    private void Squeeze()
    {
        var from = _net.Last;
        _net.Then("GlobalAveragePool");
        if (Draw(2)) _net.Then("Conv", [Floats(_channels, _channels, 1, 1)]).Then("Sigmoid");
        else
        {
            _net.Then("Flatten").Then("MatMul", [Floats(_channels, _channels)]).Then("Add", [Floats(_channels)]).Then("Sigmoid");
            _net.Then("Reshape", [_net.Whole(Name(), 2, _channels, 1, 1)]);
        }

        _net.Of("Mul", Draw(2) ? [from, _net.Last] : [_net.Last, from]);
    }

    private void End()
    {
        if (Draw(2)) _net.Then("ReduceMean", [], HandMade.Ints("axes", 2, 3), HandMade.Int("keepdims", 0));
        else
        {
            // Keras: the channels come last before flattening.
            var isLast = Draw(2);
            if (isLast) _net.Then("Transpose", [], HandMade.Ints("perm", 0, 2, 3, 1));
            _net.Then("Reshape", [_net.Whole(Name(), 2, -1)]);
            _channels *= _height * _width;
            if (Draw(2)) _net.Then("Mul", [Floats(_channels)]);
        }

        var features = _channels;
        _net.Then("MatMul", [Floats(features, 4)]);
        var logits = _net.Last;
        if (Draw(2)) _net.Then("Add", [Floats(4)]);
        // Under two names, with a constant on one of them.
        if (Draw(3)) _net.Then("Relu").Of("Add", [_net.Last, logits]);
    }
}

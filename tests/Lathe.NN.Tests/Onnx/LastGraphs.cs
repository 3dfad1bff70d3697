using Lathe.Graph.Tests.Onnx;

namespace Lathe.NN.Tests.Onnx;

/// <summary>ONNX graphs as tf2onnx leaves them: images [N, H, W, C] or sequences [N, W, C], transposed around what has weights.</summary>
internal sealed class LastGraphs
{
    private readonly Random _random;
    private readonly HandMade _net;
    private readonly bool _isSequence;
    private int _channels;
    private int _height;
    private int _width;
    private int _names;

    private LastGraphs(Random random)
    {
        _random = random;
        _isSequence = Draw(4);
        (_channels, _height, _width) = (random.Next(1, 4), _isSequence ? 1 : random.Next(5, 10), random.Next(5, 10));
        _net = new HandMade(random.Next(13, 18), Shape);
    }

    private long[] Shape => _isSequence ? [2, _width, _channels] : [2, _height, _width, _channels];

    /// <summary>A graph that ends in logits, and the shape of its input.</summary>
    public static (HandMade Net, long[] Shape) Of(Random random)
    {
        var graph = new LastGraphs(random);
        var shape = graph.Shape;
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            graph.Elements();
            graph.Convolve();
        }

        graph.End();
        return (graph._net, shape);
    }

    private bool Draw(int of) => _random.Next(of) == 0;

    private string Floats(params long[] shape) => _net.Values(
        $"c{_names++}", [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => (float)((_random.NextDouble() * 2) - 1))], shape);

    /// <summary>Work with the channels last.</summary>
    private void Elements()
    {
        for (var i = _random.Next(4); i > 0; i--)
        {
            var x = _net.Last;
            switch (_random.Next(8))
            {
                case 0: _net.Then("Mul", [Floats(_channels)]); break;
                case 1: _net.Then("Sub", [Floats(1)]); break;
                case 2: _net.Then("Add", [_isSequence ? Floats(1, 1, _channels) : Floats(1, 1, 1, _channels)]); break;
                case 3: _net.Then("Relu"); break;
                case 4: _net.Then("PRelu", [_isSequence ? Floats(1, _channels) : Floats(1, 1, _channels)]); break;
                case 5 when !_isSequence:
                    _net.Then("Pad", [_net.Whole($"c{_names++}", 0, 1, 0, 0, 0, 0, 2, 0)]);
                    (_height, _width) = (_height + 1, _width + 2);
                    break;
                case 6:
                    _net.Then("Relu").Of("Concat", [x, _net.Last], HandMade.Int("axis", _isSequence ? 2 : -1));
                    _channels *= 2;
                    break;
                case 7 when !_isSequence: Squeeze(); break;
            }
        }
    }

    /// <summary>Squeeze and excitation as Keras writes it: means as [N, 1, 1, C].</summary>
    private void Squeeze()
    {
        var x = _net.Last;
        if (Draw(2)) _net.Then("ReduceMean", [], HandMade.Ints("axes", 1, 2), HandMade.Int("keepdims", 1));
        else _net.Then("ReduceMean", [], HandMade.Ints("axes", 1, 2), HandMade.Int("keepdims", 0)).Then("Reshape", [_net.Whole($"c{_names++}", -1, 1, 1, _channels)]);
        _net.Then("Transpose", [], HandMade.Ints("perm", 0, 3, 1, 2)).Then("Conv", [Floats(_channels, _channels, 1, 1), Floats(_channels)]).Then("Sigmoid");
        _net.Then("Transpose", [], HandMade.Ints("perm", 0, 2, 3, 1)).Of("Mul", Draw(2) ? [x, _net.Last] : [_net.Last, x]);
    }

    private void Convolve()
    {
        var made = _random.Next(1, 5);
        if (_isSequence)
        {
            if (Draw(2))
            {
                // A convolution of one row, as TensorFlow has it.
                _net.Then("Unsqueeze", [_net.Whole($"c{_names++}", 1)]).Then("Transpose", [], HandMade.Ints("perm", 0, 3, 1, 2));
                _net.Then("Conv", [Floats(made, _channels, 1, 3)], HandMade.Ints("pads", 0, 1, 0, 1));
                _net.Then("Transpose", [], HandMade.Ints("perm", 0, 2, 3, 1)).Then("Squeeze", [_net.Whole($"c{_names++}", 1)]);
            }
            else
            {
                _net.Then("Transpose", [], HandMade.Ints("perm", 0, 2, 1)).Then("Conv", [Floats(made, _channels, 3)], HandMade.Ints("pads", 1, 1));
                _net.Then("Transpose", [], HandMade.Ints("perm", 0, 2, 1));
            }
        }
        else
        {
            _net.Then("Transpose", [], HandMade.Ints("perm", 0, 3, 1, 2)).Then("Conv", [Floats(made, _channels, 3, 3)], HandMade.Text("auto_pad", "SAME_UPPER"), HandMade.Ints("strides", 2, 1));
            _height = (_height + 1) / 2;
            if (Draw(2)) _net.Then("Relu");
            _net.Then("Transpose", [], HandMade.Ints("perm", 0, 2, 3, 1));
        }

        _channels = made;
    }

    private void End()
    {
        var features = _channels * _height * _width;
        if (Draw(2)) _net.Then("Flatten");
        else _net.Then("Reshape", [_net.Whole($"c{_names++}", 2, features)]);
        _net.Then("MatMul", [Floats(features, 4)]).Then("Add", [Floats(4)]);
    }
}

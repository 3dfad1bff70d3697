using System.IO.Compression;
using Lathe.Contracts;
using Lathe.NN.Weights;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Weights;

/// <summary>Files that PyTorch wrote (fixtures/make.py).</summary>
public sealed class TorchArchiveTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-weights-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Tensors_parameters_views_and_every_usual_type_are_read()
    {
        using var scope = NewDisposeScope();
        var tensors = TorchArchive.Read(Fixture("tiny.pth"));
        Assert.Equal(["contiguous", "transposed", "tail", "parameter", "half", "bfloat16", "double", "counter", "flags", "empty"], tensors.Keys);
        Assert.Equal(Enumerable.Range(0, 12).Select(i => (float)i), tensors["contiguous"].data<float>().ToArray());
        Assert.Equal([4, 3], tensors["transposed"].shape);
        Assert.Equal([0f, 4f, 8f, 1f], tensors["transposed"].data<float>().ToArray().Take(4));
        Assert.Equal([8f, 9f, 10f, 11f], tensors["tail"].data<float>().ToArray());
        Assert.Equal([1.5f, -2.5f], tensors["parameter"].data<float>().ToArray());
        Assert.Equal((ScalarType.Float16, 1.25f), (tensors["half"].dtype, tensors["half"].to(ScalarType.Float32)[1].item<float>()));
        Assert.Equal((ScalarType.BFloat16, 1.25f), (tensors["bfloat16"].dtype, tensors["bfloat16"].to(ScalarType.Float32)[1].item<float>()));
        Assert.Equal(1.0 / 3, tensors["double"].item<double>());
        Assert.Equal((7L, 0L), (tensors["counter"].item<long>(), tensors["counter"].dim()));
        Assert.Equal([true, false], tensors["flags"].data<bool>().ToArray());
        Assert.Equal([0, 3], tensors["empty"].shape);
    }

    [Fact]
    public void A_pickle_that_asks_for_any_other_class_is_refused_by_its_name()
    {
        var error = Assert.Throws<LatheException>(() => TorchArchive.Read(Fixture("evil.pth")));
        Assert.Contains("asks for posix.system, which is not allowed", error.Message);
        Assert.Contains("evil.pth", error.Message);
        Assert.Contains("save these alone, in Python", error.Message);
    }

    [Theory]
    [InlineData("state_dict", "state_dict_ema")]
    [InlineData("model", "model_ema")]
    public void Averaged_weights_are_taken_before_others_and_said_so(string raw, string averaged)
    {
        using var scope = NewDisposeScope();
        // {raw: {}, averaged: {}, 'args': Namespace(lr=1)}, as training scripts save it.
        byte[] pickle = [0x80, 2, (byte)'}', (byte)'(', .. Text(raw), (byte)'}', .. Text(averaged), (byte)'}', .. Text("args"), .. "cargparse\nNamespace\n)"u8, 0x81, (byte)'}', .. Text("lr"), (byte)'K', 1, (byte)'s', (byte)'b', (byte)'u', (byte)'.'];
        var path = Path.Combine(_folder, "both.pth");
        using (var zip = ZipFile.Open(path, ZipArchiveMode.Create))
        {
            using var entry = zip.CreateEntry("both/data.pkl").Open();
            entry.Write(pickle);
        }

        var said = new List<string>();
        Assert.Empty(TorchArchive.Read(path, said.Add));
        Assert.Equal([$"{path}: the averaged weights, '{averaged}', are taken, not those under '{raw}'"], said);

        static byte[] Text(string text) => [(byte)'X', (byte)text.Length, 0, 0, 0, .. System.Text.Encoding.UTF8.GetBytes(text)];
    }

    [Fact]
    public void The_old_format_is_named_with_the_way_out()
    {
        using var to = new MemoryStream();
        var error = Assert.Throws<LatheException>(() => WeightFile.Convert(Fixture("old.pth"), to));
        Assert.Contains("before 1.6", error.Message);
        Assert.Contains("torch.save(torch.load(path, weights_only=True), path)", error.Message);
    }

    [Fact]
    public void A_file_of_PyTorch_becomes_safetensors()
    {
        using var to = new MemoryStream();
        WeightFile.Convert(Fixture("tiny.pth"), to);
        var path = Path.Combine(_folder, "tiny.safetensors");
        File.WriteAllBytes(path, to.ToArray());
        Assert.Equal([4, 3], WeightFile.Shapes(path)["transposed"]);
    }

    [Fact]
    public void Damage_anywhere_is_an_error_or_harmless_and_never_a_crash()
    {
        var sound = File.ReadAllBytes(Fixture("tiny.pth"));
        var random = new Random(1);
        var path = Path.Combine(_folder, "damaged.pth");
        var refused = 0;
        for (var i = 0; i < 400; i++)
        {
            byte[] bytes = [.. sound];
            if (i % 4 == 0)
                bytes = bytes[..random.Next(4, bytes.Length)];
            else
                bytes[random.Next(4, bytes.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(path, bytes);
            using var scope = NewDisposeScope();
            try
            {
                TorchArchive.Read(path);
            }
            catch (LatheException e)
            {
                Assert.Contains(path, e.Message);
                refused++;
            }
        }

        Assert.InRange(refused, 100, 399);
    }

    [Fact]
    public void A_zip_of_something_else_is_refused()
    {
        var path = Path.Combine(_folder, "photos.zip");
        using (var zip = ZipFile.Open(path, ZipArchiveMode.Create))
            zip.CreateEntry("photo.jpg");
        Assert.Contains("no data.pkl", Assert.Throws<LatheException>(() => TorchArchive.Read(path)).Message);
    }

    private static string Fixture(string name) => Path.Combine(AppContext.BaseDirectory, "Weights", "fixtures", name);
}

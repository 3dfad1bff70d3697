using System.Net;
using System.Text;
using System.Text.Json;
using Parquet;
using Parquet.Schema;

namespace Lathe.Coordinator.Tests;

/// <summary>Results as rows and columns, and as files for other programs; the tree and the curves of a sweep.</summary>
public sealed class Results_as_a_table
{
    [Fact]
    public async Task Have_what_differs_between_leaves_and_what_was_measured()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Quick("[1, 20]", "a,b"));
        await bench.EndedAsync(id);

        var answer = await bench.Client.GetAsync($"/sweeps/{id}/table");
        var table = (await HttpBench.JsonOf(answer));
        Assert.Equal(
            ["index", "state", "model", "dataset", "seed", "seconds", "checkpoint", "make.epochs", "bytes", "bytesRatio", "top1"],
            table.GetProperty("columns").EnumerateArray().Select(c => c.GetProperty("name").GetString()).Order(StringComparer.Ordinal).OrderBy(n => Array.IndexOf((string[])["index", "state", "model", "dataset", "seed", "seconds", "checkpoint", "make.epochs"], n) is var at && at < 0 ? 99 : at));
        int Column(string name) => table.GetProperty("columns").EnumerateArray().ToList().FindIndex(c => c.GetProperty("name").GetString() == name);
        var rows = table.GetProperty("rows").EnumerateArray().ToList();
        Assert.Equal([(1, 1.0, 8.0), (3, 20.0, 9.0)], rows.Select(r => (r[Column("index")].GetInt32(), r[Column("make.epochs")].GetDouble(), r[Column("bytes")].GetDouble())));
        Assert.Equal("metric", table.GetProperty("columns")[Column("bytes")].GetProperty("kind").GetString());
        Assert.Equal("length", table.GetProperty("columns")[Column("bytes")].GetProperty("metric").GetProperty("title").GetString());
        Assert.Equal(HttpStatusCode.NotModified, (await bench.SendAsync(HttpMethod.Get, $"/sweeps/{id}/table", null, ("If-None-Match", answer.Headers.ETag!.ToString()))).StatusCode);

        var page = await bench.GetAsync<ResultTable>($"/sweeps/{id}/table?limit=1");
        Assert.Equal((1, 1), (page.Rows.Count, page.Next));
        Assert.Equal(3, ((JsonElement)Assert.Single((await bench.GetAsync<ResultTable>($"/sweeps/{id}/table?limit=1&after=1")).Rows)[0]!).GetInt32());
        await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/sweeps/{id}/table?format=xlsx"), 400);
    }

    [Fact]
    public async Task Come_as_CSV_and_as_Parquet()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Quick("[1, 20]", "a,b"));
        await bench.EndedAsync(id);

        var csv = await bench.Client.GetAsync($"/sweeps/{id}/table?format=csv");
        Assert.Equal(("text/csv", "a_b.csv"), (csv.Content.Headers.ContentType!.MediaType, csv.Content.Headers.ContentDisposition!.FileName));
        var lines = (await csv.Content.ReadAsStringAsync()).Split("\r\n");
        Assert.Equal((4, ""), (lines.Length, lines[3]));
        Assert.StartsWith("index,state,model,dataset,seed,seconds,checkpoint,make.epochs,", lines[0]);
        Assert.StartsWith("1,completed,tiny,mnist,0,", lines[1]);
        Assert.Equal(lines[0].Split(',').Length, lines[2].Split(',').Length);

        using var file = new MemoryStream(await bench.Client.GetByteArrayAsync($"/sweeps/{id}/table?format=parquet"));
        await using var reader = await ParquetReader.CreateAsync(file, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(lines[0].Split(','), reader.Schema.DataFields.Select(f => f.Name));
        using var group = reader.OpenRowGroupReader(0);
        var epochs = new double?[2];
        await group.ReadAsync<double>(Field("make.epochs"), epochs.AsMemory(), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal([1.0, 20.0], epochs);
        var states = new string?[2];
        await group.ReadAsync(Field("state"), states.AsMemory(), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["completed", "completed"], states);

        DataField Field(string name) => reader.Schema.DataFields.Single(f => f.Name == name);
    }

    [Fact]
    public async Task Some_of_them_come_in_the_order_in_which_they_are_asked_for()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Quick("[1, 20]", "a,b"));
        await bench.EndedAsync(id);
        var place = $"/sweeps/{id}/table";

        var csv = await bench.PostAsync(place, """{"format": "csv", "columns": ["make.epochs", "index"], "rows": [3, 1]}""");
        Assert.Equal(("text/csv", "a_b.csv"), (csv.Content.Headers.ContentType!.MediaType, csv.Content.Headers.ContentDisposition!.FileName));
        Assert.Equal("make.epochs,index\r\n20,3\r\n1,1\r\n", await csv.Content.ReadAsStringAsync());
        var one = await HttpBench.JsonOf(await bench.PostAsync(place, """{"rows": [3]}"""));
        Assert.Equal((11, 1), (one.GetProperty("columns").GetArrayLength(), one.GetProperty("rows").GetArrayLength()));
        Assert.Contains("expected one of index, state", (await HttpBench.ProblemAsync(await bench.PostAsync(place, """{"columns": ["epochs"]}"""), 422)).Detail);
        Assert.Contains("execution 0 of this sweep is none", (await HttpBench.ProblemAsync(await bench.PostAsync(place, """{"rows": [1, 0]}"""), 422)).Detail);
        await HttpBench.ProblemAsync(await bench.PostAsync(place, """{"format": "xlsx"}"""), 400);
    }

    [Fact]
    public void A_value_with_commas_and_quotes_stays_one_field()
    {
        var table = new ResultTable([new ResultColumn("a", ColumnKind.Fact, true), new ResultColumn("b", ColumnKind.Metric, false)], [["x,\"y\"\n", 0.5], [null, null]], null);
        Assert.Equal("a,b\r\n\"x,\"\"y\"\"\n\",0.5\r\n,\r\n", Encoding.UTF8.GetString(TableFiles.Csv(table)));
    }

    [Fact]
    public async Task The_tree_is_read_level_by_level_and_what_runs_in_one_request()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Quick("[1, 2, 3]"));
        await bench.EndedAsync(id);

        var roots = await bench.GetAsync<TreePage>($"/sweeps/{id}/tree?limit=2");
        Assert.Equal([(0, 1), (2, 1)], roots.Nodes.Select(n => (n.Execution.Index, n.Children)));
        Assert.Equal([4], (await bench.GetAsync<TreePage>($"/sweeps/{id}/tree?limit=2&after={roots.Next}")).Nodes.Select(n => n.Execution.Index));
        Assert.Equal([(3, 0)], (await bench.GetAsync<TreePage>($"/sweeps/{id}/tree?parent=2")).Nodes.Select(n => (n.Execution.Index, n.Children)));
        await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/sweeps/{id}/tree?parent=99"), 404);

        var held = await bench.SubmitAsync(HttpBench.Held("curves"));
        await bench.RunsAsync(held);
        var curve = Assert.Single((await bench.GetAsync<CurvesAnswer>($"/sweeps/{held}/curves")).Curves);
        Assert.Equal((0, "hold", 0.75), (curve.Index, curve.Stage, Assert.Single(curve.Epochs).Accuracy));
        Assert.Empty((await bench.GetAsync<CurvesAnswer>($"/sweeps/{id}/curves")).Curves);
        Assert.Equal([0, 2], (await bench.GetAsync<CurvesAnswer>($"/sweeps/{id}/curves?executions=0,2")).Curves.Select(c => c.Index));
        await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/sweeps/{id}/curves?executions=x"), 400);
    }
}

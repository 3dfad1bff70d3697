using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Xml.Linq;
using CsCheck;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Reports.Drawings;
using Lathe.Reports.Pictures;
using Lathe.Reports.Terminals;
using SkiaSharp;
using Spectre.Console.Rendering;

namespace Lathe.Reports.Tests;

/// <summary>Whatever data a panel has, it becomes a sound picture and a sound text.</summary>
public sealed class Panels_in_every_form
{
    private const int Samples = 60;
    private const double Tolerance = 1;

    public static TheoryData<string> Kinds => [.. RandomPanels.ByKind.Keys];

    [Fact]
    public void Every_kind_is_tried() =>
        Assert.Equal(typeof(Panel).GetCustomAttributes<JsonDerivedTypeAttribute>().Select(a => (string)a.TypeDiscriminator!).Order(), RandomPanels.ByKind.Keys.Order());

    [Theory]
    [MemberData(nameof(Kinds))]
    public void SVG_is_well_formed_and_nothing_lies_beyond_its_view_box(string kind) => RandomPanels.ByKind[kind].Sample(panel =>
    {
        if (PanelDrawing.Of(panel) is not { } drawing) return;
        var svg = XDocument.Parse(SvgPicture.File(drawing, panel.Title));
        Assert.DoesNotContain("NaN", svg.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("∞", string.Concat(svg.Descendants().Attributes().Where(a => a.Name.LocalName != "aria-label").Select(a => a.Value)), StringComparison.Ordinal);
        var titled = drawing.WithTitle(panel.Title);
        foreach (var (shape, box) in Bounds.Of(titled.Shapes))
        {
            Assert.True(
                box.Left >= -Tolerance && box.Right <= titled.Width + Tolerance && box.Top >= -titled.Above - Tolerance && box.Bottom <= titled.Height + Tolerance,
                $"{shape} takes {box}, the drawing {titled.Width} x {titled.Height}");
        }
    }, iter: Samples);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void PNG_is_a_picture_of_the_same_drawing_of_three_pixels_a_unit(string kind) => RandomPanels.ByKind[kind].Sample(panel =>
    {
        if (PanelDrawing.Of(panel) is not { } drawing) return;
        using var picture = SKBitmap.Decode(PngPicture.File(drawing, panel.Title));
        Assert.Equal(
            ((int)Math.Ceiling(3 * drawing.Width), (int)Math.Ceiling(3 * (drawing.Height + Drawing.TitleHeight))), (picture.Width, picture.Height));
        Assert.Contains(picture.Pixels, p => p != SKColors.White);
    }, iter: Samples / 4);

    public static TheoryData<string, int> KindsAndWidths => [.. RandomPanels.ByKind.Keys.SelectMany(kind => ((int[])[80, 160]).Select(width => (kind, width)))];

    [Theory]
    [MemberData(nameof(KindsAndWidths))]
    public void Text_fits_the_terminal(string kind, int width)
    {
        RandomPanels.ByKind[kind].Sample(panel =>
        {
            if (PanelText.Of(panel, width) is not { } text) return;
            var lines = Screen.Draw(text, width);
            Assert.All(lines, line => Assert.InRange(new Segment(line).CellCount(), 0, width));
            Assert.DoesNotContain(lines, line => line.Any(char.IsControl));
        }, iter: Samples);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void JSON_gives_back_the_same_panel(string kind) => RandomPanels.ByKind[kind].Sample(panel =>
    {
        var json = JsonSerializer.Serialize(panel, LatheJson.Options);
        Assert.StartsWith($$"""{"kind":"{{kind}}",""", json, StringComparison.Ordinal);
        var read = JsonSerializer.Deserialize<Panel>(json, LatheJson.Options)!;
        Assert.Equal(panel.GetType(), read.GetType());
        Assert.Equal(json, JsonSerializer.Serialize(read, LatheJson.Options));
    }, iter: Samples);

    [Fact]
    public void A_kind_that_is_not_known_is_left_out_without_an_error()
    {
        var panels = JsonSerializer.Deserialize<IReadOnlyList<Panel>>("""[{"kind":"hologram","id":"a","title":"b","depth":3,"voxels":[[1]]}]""", LatheJson.Options)!;
        var panel = Assert.Single(panels);
        Assert.Equal(("a", "b"), (panel.Id, panel.Title));
        Assert.Null(PanelDrawing.Of(panel));
        Assert.Null(PanelText.Of(panel, 80));
        Assert.Empty(PanelText.Of(panels, 80));
        Assert.DoesNotContain("hologram", Page.ReportPage.Html(Sweeps.With([panel])), StringComparison.Ordinal);
    }
}

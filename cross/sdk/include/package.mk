# BuildPackage without an SDK: installs what a package's Makefile says into $(STAGE)/data, and writes $(STAGE)/control.
# From cross/ipk come PKG_BUILD_DIR (our sources), PKG_INSTALL_DIR (the binary), STAGE, PKGARCH, BUILT_IN (what a static
# binary need not depend on), SOURCE and SOURCE_DATE_EPOCH.

empty :=
comma := ,
field = $(if $(strip $(2)),$(1): $(strip $(2))$(newline))
define newline


endef

# As opkg has it: names without the signs that only OpenWrt's menu reads.
depends = $(subst $(empty) ,$(comma) ,$(strip $(filter-out $(BUILT_IN),$(patsubst +%,%,$(filter-out @%,$(DEPENDS))))))

define control
$(call field,Package,$(1))$(call field,Version,$(PKG_VERSION)-r$(PKG_RELEASE))$(call field,Depends,$(depends))$(call \
field,Source,$(SOURCE))$(call field,SourceName,$(PKG_NAME))$(call field,License,$(PKG_LICENSE))$(call \
field,LicenseFiles,$(PKG_LICENSE_FILES))$(call field,Section,$(SECTION))$(call field,Require-User,$(USERID))$(call \
field,SourceDateEpoch,$(SOURCE_DATE_EPOCH))$(call field,URL,$(URL))$(call field,Maintainer,$(PKG_MAINTAINER))$(call \
field,Architecture,$(PKGARCH))Installed-Size: 0
endef

# In the words of opkg, what OpenWrt calls postinst and prerm are those of the package beside default_postinst's own.
define BuildPackage
$(eval $(value Package/$(1)))
.PHONY: stage
stage:
	$(call Package/$(1)/install,$(STAGE)/data)
	$$(file >$(STAGE)/control/control,$$(call control,$(1)))
	$$(file >$(STAGE)/description,$$(Package/$(1)/description))
	$$(if $$(Package/$(1)/conffiles),$$(file >$(STAGE)/control/conffiles,$$(strip $$(Package/$(1)/conffiles))))
	$$(if $$(Package/$(1)/postinst),$$(file >$(STAGE)/control/postinst-pkg,$$(Package/$(1)/postinst)))
	$$(if $$(Package/$(1)/prerm),$$(file >$(STAGE)/control/prerm-pkg,$$(Package/$(1)/prerm)))
	$$(if $$(Package/$(1)/postrm),$$(file >$(STAGE)/control/postrm,$$(Package/$(1)/postrm)))
endef
